"""Fitting the encoder to the corpus: which pairs it learns from, when the model is used, and going back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kb import adapt as module
from kb.adapt import Adapted, Pair, Stages, adapt, corpus_pairs, is_better, is_elsewhere, sample
from kb.build import ingest, remove
from kb.catalogue import STORE_FILE
from kb.derived import open_derived
from kb.e5_weights import unpacked_e5
from kb.embed import QUERY_MAP, Encoder, open_encoder
from kb.errors import BadInput, BadSettings, ModelMismatch, ModelUnavailable
from kb.evaluate import Outcome
from kb.gate import Run
from kb.model import encoder_for, models_folder, own_model
from kb.reembed import embed_store, reembed
from kb.search import Library
from kb.settings import Settings
from kb.store import Model, Store
from kb.verify import verify
from tests.conftest import CACHE, CORPUS, Silent, encoder, run_kb

GOLD = CORPUS / "gold.jsonl"
QUIET = Stages(lambda done, total: None, lambda done, total: None)


def characters() -> str:
    """The characters of the gold questions and their evidence."""
    return "".join(dict.fromkeys(GOLD.read_text("utf-8")))


@pytest.fixture
def tiny(tiny_model: Callable[..., Path], tmp_path: Path) -> tuple[Settings, Encoder]:
    """Two sample reports in an index of a tiny model, asked by the dense side alone."""
    folder = tiny_model("tiny", {}, characters())
    settings = Settings(index=tmp_path / "index", cache=tmp_path, model=str(folder), dense_weight=1.0)
    made = encoder_for(settings)
    report = ingest([CORPUS / "rural2020.pdf", CORPUS / "survey2023.pdf"], settings, lambda: made, Silent())
    assert not report.failed
    return settings, made


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    """The gold questions that those two reports answer."""
    kept = []
    for line in GOLD.read_text("utf-8").splitlines():
        question = json.loads(line)
        question["answers"] = [one for one in question["answers"] if one["file"] in ("rural2020.pdf", "survey2023.pdf")]
        kept += [json.dumps(question, ensure_ascii=False)] if question["answers"] and not question["filters"] else []
    path = tmp_path / "gold.jsonl"
    path.write_text("\n".join(kept), "utf-8")
    return path


def test_pairs_come_from_headings_and_sentences_with_misses_from_elsewhere(library: Library) -> None:
    stored = list(library.store.live_passages())
    pairs = corpus_pairs(stored, open_derived(library.store, library.settings.index).lexical)
    texts = {each.passage.text: each for each in stored}
    headings = [pair for pair in pairs if pair.text in texts]
    cut = [pair for pair in pairs if pair.text not in texts]
    assert len(headings) > 100 < len(cut)
    for pair in headings:
        assert pair.question == texts[pair.text].passage.heading[-1]
        assert not pair.miss or is_elsewhere(texts[pair.text], texts[pair.miss])
    for pair in cut:
        assert any(len(text) == len(pair.text) + len(pair.question) and pair.question in text for text in texts)


def test_every_pair_has_a_miss_and_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 30)
    pairs = [Pair(f"问{at}", f"答{at}", "" if at % 2 else f"错{at}") for at in range(40)]
    chosen = sample(pairs, 0)
    assert len(set(chosen)) == 30
    assert all(pair.miss and pair.miss != pair.text for pair in chosen)
    assert chosen == sample(pairs, 0) != sample(pairs, 1)


def test_a_model_taken_for_better_is_used_and_can_be_left_again(
    tiny: tuple[Settings, Encoder], gold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, before = tiny
    monkeypatch.setattr(module, "RATE", 3e-2)  # few steps are to change much
    monkeypatch.setattr(module, "LEAST_GAIN", -1.0)  # a random model gets better or worse by chance
    monkeypatch.setattr(module, "MOST_LOSS", 1.0)
    with Store.open(settings.index / STORE_FILE) as store:
        ids = [stored.passage.id for stored in store.live_passages()]
    steps: list[tuple[int, int]] = []
    found = adapt(settings, before, gold, Stages(lambda *step: steps.append(step), lambda done, total: None))
    assert found.model is not None and found.model.parent == models_folder(settings.index)
    assert not (found.model / QUERY_MAP).exists()  # the tiny model has no map for questions
    assert steps[-1][0] == steps[-1][1] == len(steps)
    figures = json.loads((found.model / "evaluation.json").read_text("utf-8"))
    assert figures["after"]["all"] != figures["before"]["all"]

    unset = settings.model_copy(update={"model": ""})
    assert own_model(settings.index) == str(found.model)
    fresh = encoder_for(unset)
    assert fresh.name == found.model.name
    with Library.open(unset) as library:
        assert [stored.passage.id for stored in library.store.live_passages()] == ids
        assert library.search("农户贷款", 5).hits
        rows = embed_store(library.store, fresh, lambda done, total: None)
        _, vectors = library.store.unit_rows()
        assert np.allclose(np.sort(rows.vectors, axis=0), np.sort(vectors, axis=0), atol=2e-3)
        assert not verify(library.store, settings.index).problems
    with pytest.raises(ModelMismatch, match="unset KB_MODEL"):
        Library.open(settings, before)

    reembed(settings, before, lambda done, total: None)
    with Library.open(settings, before) as library:
        assert library.search("农户贷款", 5).hits
    assert own_model(settings.index) == ""


def test_a_model_that_is_no_better_changes_nothing(
    tiny: tuple[Settings, Encoder], gold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, before = tiny
    monkeypatch.setattr(module, "RATE", 0.0)
    monkeypatch.setattr(module, "MAX_PAIRS", 64)
    with Library.open(settings, before) as library:
        generation, hits = library.generation, library.search("农户贷款", 10).hits
    found = adapt(settings, before, gold, QUIET)
    assert found.model is None
    assert not list(models_folder(settings.index).iterdir())
    with Library.open(settings, before) as library:
        assert library.generation == generation
        assert library.search("农户贷款", 10).hits == hits


@pytest.mark.parametrize(
    ("after", "better"),
    [
        ({"ndcg": 0.52, "recall": 0.5, "mrr": 0.5}, True),
        ({"ndcg": 0.503, "recall": 0.6, "mrr": 0.6}, False),
        ({"ndcg": 0.52, "recall": 0.48, "mrr": 0.5}, False),
        ({"ndcg": 0.52, "recall": 0.495, "mrr": 0.48}, False),
    ],
)
def test_better_is_more_in_ndcg_and_no_less_elsewhere(after: dict[str, float], better: bool) -> None:
    def run(values: dict[str, float]) -> Run:
        return Run("gold", 1, "model", "kb", "now", (Outcome("q", "how", False, values),))

    before = {"ndcg": 0.5, "recall": 0.5, "mrr": 0.5}
    assert is_better(Adapted(9, run(before), run(after), None)) is better


def test_the_map_for_questions_goes_with_the_model(tmp_path: Path) -> None:
    base = unpacked_e5(CACHE)
    made = tmp_path / "made"
    made.mkdir()
    packaged = encoder().query_map
    assert packaged
    packaged.write(made / QUERY_MAP)
    shutil.copytree(base, made, dirs_exist_ok=True)
    moved, plain = open_encoder(str(made), CACHE), open_encoder(str(base), CACHE)
    rows = encoder().queries(["招不到人怎么办"])
    assert float(np.sum(moved.queries(["招不到人怎么办"]) * rows)) > 0.995
    assert float(np.sum(plain.queries(["招不到人怎么办"]) * rows)) < 0.99
    (made / QUERY_MAP).write_bytes(b"no map")
    with pytest.raises(ModelUnavailable, match="no map of questions"):
        open_encoder(str(made), CACHE)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "datasets" else object())
    with pytest.raises(BadSettings, match=r"training needs datasets.*kb\[adapt\]"):
        adapt(library.settings, library.encoder, GOLD, QUIET)


def tags_of(library: Library) -> list[set[tuple[str, str]]]:
    """The tags of each passage; their scores move a little with the texts that are embedded together."""
    return [{(tag.field, tag.value) for tag in each.passage.tags} for each in library.store.live_passages()]


def test_reembedding_with_the_same_model_gives_the_same_vectors_and_tags(copied_settings: Settings) -> None:
    with Library.open(copied_settings, encoder()) as library:
        _, vectors = library.store.unit_rows()
        tags = tags_of(library)
    reembed(copied_settings, encoder(), lambda done, total: None)
    with Library.open(copied_settings, encoder()) as library:
        _, again = library.store.unit_rows()
        assert float(np.min(np.sum(vectors * again, axis=1))) > 0.995
        changed = [one != other for one, other in zip(tags_of(library), tags, strict=True)]
        assert np.mean(changed) < 0.05


def test_reembedding_replaces_the_tokens(copied_settings: Settings, tiny_model: Callable[..., Path]) -> None:
    for report in CORPUS.glob("*.pdf"):
        if report.name != "survey2023.pdf":  # one is enough, and quick
            remove(report.name, copied_settings)
    with Store.open(copied_settings.index / STORE_FILE) as store:
        rows = [stored.row for stored in store.live_passages()]
        before = store.tokens(rows)
    reembed(
        copied_settings, open_encoder(str(tiny_model("tiny-bert", {})), copied_settings.cache), lambda done, total: None
    )
    with Store.open(copied_settings.index / STORE_FILE) as store:
        assert store.tokens(rows) == {}
    reembed(copied_settings, encoder(), lambda done, total: None)
    with Store.open(copied_settings.index / STORE_FILE) as store:
        again = store.tokens(rows)
    assert set(again) == set(before) == set(rows)
    near = [np.abs(again[row].astype(int) - before[row]).mean() for row in rows]
    assert max(near) < 3 < np.abs(again[rows[0]].astype(int)).mean()


def test_a_model_goes_where_its_index_goes(copied_settings: Settings, tmp_path: Path) -> None:
    assert own_model(tmp_path / "nothing") == own_model(copied_settings.index) == ""
    with Store.open(copied_settings.index / STORE_FILE) as store:
        name = store.model().name
    (models_folder(copied_settings.index) / name).mkdir(parents=True)
    shutil.move(copied_settings.index, tmp_path / "moved")
    assert own_model(tmp_path / "moved") == str(tmp_path / "moved" / "models" / name)


def test_commands_without_an_index_say_so(tmp_path: Path) -> None:
    for command in ("adapt", "reembed"):
        done = run_kb(command, "--index", tmp_path / "nothing")
        assert done.returncode == 1
        assert "no index" in done.stderr
        assert not (tmp_path / "nothing").exists()


def test_an_index_whose_model_is_gone_or_hidden_says_the_way_out(copied_settings: Settings) -> None:
    with Store.open(copied_settings.index / STORE_FILE) as store:
        units, vectors = store.unit_rows()
        store.replace_vectors(Model("adapted-0", 384), [unit.row for unit in units], vectors, {})
    with pytest.raises(ModelMismatch, match="put its folder .*adapted-0 back, or run: KB_MODEL=default kb reembed"):
        Library.open(copied_settings)
    folder = models_folder(copied_settings.index) / "adapted-0"
    folder.mkdir(parents=True)
    with pytest.raises(ModelUnavailable, match="adapted-0, does not load; put it back"):
        Library.open(copied_settings)
    with pytest.raises(ModelMismatch, match="unset KB_MODEL"):
        Library.open(copied_settings, encoder())


def test_too_little_to_judge_by_or_to_learn_from(copied_settings: Settings, gold: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"id": "1", "query": "火星上有没有水", "answers": []}', "utf-8")
    with pytest.raises(BadInput, match="few.jsonl: 0 questions with answers are too few"):
        adapt(copied_settings, encoder(), few, QUIET)
    with Store.open(copied_settings.index / STORE_FILE) as store:
        for document in store.documents():
            store.remove_document(document.id)
    with pytest.raises(BadInput, match="0 pairs to learn from"):
        adapt(copied_settings, encoder(), gold, QUIET)
