"""The optional reranker: a tiny cross-encoder with random weights, whose order is used for the first thirty alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kb.errors import ModelUnavailable
from kb.records import Passage
from kb.rerank import RERANKED, Reranker, open_reranker
from kb.search import Library
from kb.settings import Settings
from tests.conftest import encoder

QUESTION = "数据治理怎么做"


def write_model(folder: Path, labels: int = 1) -> Path:
    """A CrossEncoder's folder: BERT of one layer, width 16, random weights, one token a character."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(7)
    pieces = dict.fromkeys("[PAD] [UNK] [CLS] [SEP]".split() + list("银行数据治理客户系统人才科技怎么做的了在是和，。"))
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=labels,
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    ends = [(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("reranker"))


def test_its_order_is_used_for_the_first_thirty_and_the_fused_one_for_the_rest(
    library_settings: Settings, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    scores = Reranker.scores

    def counted(self: Reranker, question: str, passages: Sequence[Passage]) -> list[float]:
        given.append(len(passages))
        return scores(self, question, passages)

    monkeypatch.setattr(Reranker, "scores", counted)
    with Library.open(library_settings, encoder()) as library:
        plain = library.search(QUESTION, 60, explain=True).hits
    with Library.open(library_settings.model_copy(update={"reranker": str(model)}), encoder()) as library:
        reranked = library.search(QUESTION, 60, explain=True).hits
    assert given == [RERANKED]
    told = [hit.scores.rerank for hit in reranked]
    first = [score for score in told if score is not None]
    assert first == sorted(first, reverse=True) and len(set(first)) > 1
    assert told == [*first, *[None] * (len(told) - len(first))]
    ids, before = [hit.passage.id for hit in reranked], [hit.passage.id for hit in plain]
    assert ids[: len(first)] != before[: len(first)]
    assert sorted(ids[: len(first)]) == sorted(before[: len(first)])
    assert ids[len(first) :] == before[len(first) :]
    assert [hit.score for hit in reranked] == sorted((hit.score for hit in reranked), reverse=True)
    assert {hit.scores.rerank for hit in plain} == {None}


def test_it_is_loaded_at_the_first_question_and_stays(model: Path) -> None:
    assert open_reranker("") is None
    lazy = open_reranker(str(model))
    assert "_model" not in vars(lazy)
    assert open_reranker(str(model)) is lazy


def test_models_that_do_not_load_are_told_in_one_line_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    two = write_model(tmp_path / "two", labels=2)
    passage = Passage("p", "text", (), "数据", ())
    for name, told in (
        (str(tmp_path / "none"), "no folder"),
        (str(tmp_path / "empty"), "does not load"),
        ("nobody/nothing", "neither a folder nor cached"),
        (str(two), "gives 2 scores"),
    ):
        with pytest.raises(ModelUnavailable, match=told) as raised:
            Reranker(name).scores("数据", [passage])
        assert "KB_RERANKER" in str(raised.value) and "\n" not in str(raised.value)
