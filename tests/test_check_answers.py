"""The proof of answers from their JSON and the PDFs alone: right ones pass, and whatever is wrong is seen."""

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from kb.answer import ask
from kb.export import answer_json
from kb.search import Library
from scripts.check_answers import Reports, check_quote, cited, cut, is_tight, plain, share_expected
from tests.conftest import CORPUS


@cache
def reports() -> Reports:
    return Reports(CORPUS)


def quotes(library: Library) -> list:
    questions = ("银行怎么解决金融科技人才短缺", "农商行怎么服务乡村", "数据治理怎么做")
    return [found for question in questions for found in cited(answer_json(ask(library, question)))]


def test_all_quotes_of_answers_stand_where_they_are_cited(library: Library) -> None:
    verdicts = [check_quote(quote, citation, reports()) for quote, citation in quotes(library)]
    assert len(verdicts) > 20
    assert all(verdict.stands for verdict in verdicts)
    assert sum(verdict.covered for verdict in verdicts) >= 0.99 * len(verdicts)
    assert sum(verdict.tight for verdict in verdicts) >= 0.99 * sum(verdict.boxes for verdict in verdicts)


def test_what_is_wrong_is_seen(library: Library) -> None:
    quote, citation = max(quotes(library), key=lambda found: len(found[0]))
    assert check_quote(quote, citation, reports()).stands
    assert not check_quote(quote[:-3] + "乃虚构", citation, reports()).stands
    assert not check_quote("".join(sorted(quote)), citation, reports()).stands
    assert not check_quote("。".join(reversed(quote.split("。"))), citation, reports()).stands
    lower, elsewhere = copy.deepcopy(citation), copy.deepcopy(citation)
    for place in lower["places"]:
        place["boxes"] = [[x0, top + 300, x1, bottom + 300] for x0, top, x1, bottom in place["boxes"]]
    verdict = check_quote(quote, lower, reports())
    assert (verdict.stands, verdict.covered) == (True, False)
    assert verdict.tight < verdict.boxes
    for place in elsewhere["places"]:
        place["page"] = 1
    assert not check_quote(quote, elsewhere, reports()).stands


def one_replaced(text: str, at: int) -> str:
    return text[:at] + "的" + text[at + 1 :]


def three_left_out(text: str, at: int) -> str:
    return text[:at] + text[at + 3 :]


def halves_exchanged(text: str, at: int) -> str:
    return text[at:] + text[:at]


@pytest.mark.parametrize("change", [one_replaced, three_left_out, halves_exchanged])
def test_a_small_change_is_seen(library: Library, change: Callable[[str, int], str]) -> None:
    tried = seen = 0
    for quote, citation in quotes(library):
        line = max(quote.split("\n"), key=len)
        at = len(line) // 2
        changed = change(line, at)
        if plain(changed) != plain(line) and len(line) > 12:
            tried += 1
            seen += not check_quote(quote.replace(line, changed), citation, reports()).stands
    assert tried > 20
    assert seen >= 0.97 * tried


@pytest.mark.parametrize(
    ("quote", "texts", "pieces"),
    [
        ("甲乙丙丁", ["零甲乙丙丁戊"], 1),
        ("甲乙丙丁", ["丙丁", "甲乙"], 2),
        ("名：甲乙", ["名", "甲乙"], 2),
        ("甲乙己", ["甲乙"], None),
    ],
)
def test_pieces_are_the_longest_that_there_are(quote: str, texts: list, pieces: int | None) -> None:
    assert cut(quote, texts) == pieces


def test_one_other_character_at_an_end_is_still_tight() -> None:
    assert is_tight("甲乙丙", "零甲乙丙戊")
    assert is_tight("己甲乙丙庚", "零甲乙丙戊")
    assert not is_tight("己庚甲乙丙", "零甲乙丙戊")
    assert not is_tight("", "甲")


def test_expected_banks_are_counted_by_type(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    lines = [
        {"id": 1, "type": "how", "expected_banks": ["甲银行", "乙银行"]},
        {"id": 2, "type": "how", "expected_banks": ["丙银行"]},
        {"id": 3, "type": "fact", "expected_banks": []},
    ]
    gold.write_text("".join(json.dumps(line) + "\n" for line in lines))
    answers = [
        {"id": 1, "banks": [{"bank": "乙银行"}]},
        {"id": 2, "banks": [{"bank": "丙银行"}]},
        {"id": 3, "banks": []},
    ]
    assert share_expected(answers, gold) == {"how": (2, 0.75)}
