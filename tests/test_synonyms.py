"""Synonyms: what the table takes, where its words stand in a question, what they find, and reading it again."""

import logging
import os
from pathlib import Path

import pytest

from kb.errors import BadSettings
from kb.lexical import SYNONYM_WEIGHT, LexicalIndex
from kb.records import Document, Kind, Passage
from kb.search import Library
from kb.settings import Settings
from kb.store import StoredPassage
from kb.synonyms import Clue, SynonymsOf, clues_of, load_synonyms
from kb.words import stop_words, tokens
from tests.conftest import encoder

TABLE = """
[[same]]
words = ["招聘", "引才"]

[[same]]
words = ["AI", "人工智能"]

[[spoken]]
say = ["招不到人", "招人"]
means = ["人才短缺", "招聘"]
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "synonyms.toml"
    path.write_text(TABLE, "utf-8")
    return path


def said(question: str, path: Path) -> dict[str, set[str]]:
    """The places of a question that have synonyms, with these."""
    clues = clues_of(question, load_synonyms(path))
    return {clue.said: {"".join(other) for other in clue.others} for clue in clues if clue.others}


def test_same_words_stand_for_each_other_and_spoken_ones_go_one_way(table: Path) -> None:
    assert said("怎么引才", table) == {"引才": {"招聘"}}
    assert said("县里招不到人", table) == {"招不到人": {"人才短缺", "招聘"}}
    assert said("人才短缺", table) == {}


def test_the_longest_word_counts_and_latin_letters_are_whole_words(table: Path) -> None:
    assert list(said("招不到人又要招人", table)) == ["招不到人", "招人"]
    assert said("银行的AI应用", table) == {"ai": {"人工智能"}}
    assert said("ＡＩ怎么用", table) == {"ai": {"人工智能"}}
    assert said("RAIN 和 AIX", table) == {}


def test_every_word_is_looked_for_once(table: Path) -> None:
    clues = clues_of("AI怎么帮招聘，AI招聘数据", load_synonyms(table))
    assert [clue.said for clue in clues] == ["ai", "招聘", "帮", "数据"]
    assert clues_of("怎么", load_synonyms(table)) == [Clue("怎么", ("怎么",))]


def index_of(folder: Path, *texts: str) -> LexicalIndex:
    """An index of passages whose rows are the places of their texts."""
    document = Document("d", "d", "d.pdf", "d.pdf", "", "", None, "", 1, "")
    passages = [Passage(str(row), Kind.TEXT, (), text, ()) for row, text in enumerate(texts)]
    stored = [StoredPassage(row, passage, document) for row, passage in enumerate(passages)]
    return LexicalIndex.build(folder / "lexical", stored)


def test_a_synonym_finds_what_the_word_does_not_and_counts_less(table: Path, tmp_path: Path) -> None:
    index = index_of(tmp_path, "我行招聘开发人员", "我行引才开发人员", "我行人才开发人员", "绿色信贷余额")
    found = index.search(clues_of("招聘", load_synonyms(table)), 10, None)
    assert set(found) == {0, 1}
    assert found[1] == pytest.approx(SYNONYM_WEIGHT * found[0], rel=0.01)


def test_of_a_synonym_of_several_words_all_must_stand_there(table: Path, tmp_path: Path) -> None:
    index = index_of(tmp_path, "人才短缺得厉害", "人才很多，不缺", "数据治理")
    assert set(index.search(clues_of("招不到人", load_synonyms(table)), 10, None)) == {0}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[same]]\nwords = 一", "line 2"),
        ('[[same]]\nwords = ["一"]', "same.1.words"),
        ('[[same]]\nwords = ["一", "二"]\n[[same]]\nwords = ["二", "三"]', "same.2: '二'"),
        ('[[spoken]]\nsay = ["一"]', "spoken.1.means"),
        ('[[other]]\nsay = ["一"]', "other"),
        ('[[same]]\nwords = ["一", "——"]', "same.1.words.2.*no letter or digit"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_with_its_place(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadSettings, match=named) as raised:
        SynonymsOf(path)
    assert "broken.toml" in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(BadSettings, match="none.toml"):
        SynonymsOf(tmp_path / "none.toml")


def rewrite(path: Path, text: str) -> None:
    """Write a file so that its time tells."""
    path.write_text(text, "utf-8")
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


def test_a_changed_table_holds_at_the_next_question_and_a_broken_one_leaves_the_old(
    library_settings: Settings, table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def synonyms() -> set[str]:
        explanation = library.search("招人难", 3, explain=True).explanation
        return {"".join(other) for clue, _ in explanation.clues for other in clue.others}

    with Library.open(library_settings.model_copy(update={"synonyms": table}), encoder()) as library:
        assert synonyms() == {"人才短缺", "招聘"}
        rewrite(table, TABLE.replace("人才短缺", "人才匮乏"))
        assert synonyms() == {"人才匮乏", "招聘"}
        with caplog.at_level(logging.WARNING):
            rewrite(table, "broken = [")
            assert synonyms() == {"人才匮乏", "招聘"}
        assert "synonyms.toml" in caplog.text
        table.unlink()
        assert synonyms() == {"人才匮乏", "招聘"}
        rewrite(table, TABLE)
        assert synonyms() == {"人才短缺", "招聘"}


def test_the_packaged_table_knows_what_reports_call_things() -> None:
    packaged = load_synonyms()
    for word, other in [("信创", "自主可控"), ("大模型", "大语言模型"), ("工资", "薪酬"), ("程序员", "科技人员")]:
        assert other in packaged.entries[word], word
    assert all(word not in stop_words() and tokens(word) for word in packaged.entries)
