"""Answers: grouped by bank, each quote checked against its page, nothing shown that is not there."""

import re
import sqlite3

import pytest

from kb.answer import FEW_BANKS, MAX_BANKS, MAX_POINTS, STANDS_OUT, STRONG, STRONG_BANKS, ask, cite_also, quotes_by_bank
from kb.banks import default_bank_book
from kb.catalogue import STORE_FILE
from kb.cite import cite
from kb.errors import QuoteNotFound
from kb.gist import LONGEST
from kb.records import Field, Filters, Hit, Kind, Passage, Point, Sentence, Span, Tag, Twin
from kb.search import Library
from kb.segment import JOINERS
from kb.settings import Settings
from kb.words import mend
from tests.conftest import encoder

QUESTION = "银行怎么解决金融科技人才短缺"


def test_points_stand_under_the_bank_that_they_are_about(library: Library) -> None:
    answer = ask(library, QUESTION)
    assert not answer.abstained
    assert len([evidence for evidence in answer.evidence if evidence.bank]) <= MAX_BANKS
    for evidence in answer.evidence:
        assert 1 <= len(evidence.points) <= MAX_POINTS
        for point in evidence.points:
            assert not evidence.bank or evidence.bank in point.hit.passage.banks
    assert [evidence.bank for evidence in answer.evidence].index("") == len(answer.evidence) - 1


def test_in_a_passage_about_several_banks_each_has_the_sentence_that_names_it(library: Library) -> None:
    book = default_bank_book()
    several = 0
    for evidence in ask(library, QUESTION).evidence:
        for point in evidence.points:
            named = {mention.name for mention in book.mentions(point.hit.passage.text)}
            if len(point.hit.passage.banks) > 1 and evidence.bank in named:
                several += 1
                assert evidence.bank in {mention.name for mention in book.mentions(point.citation.quote)}
    assert several


def test_every_quote_stands_on_the_page_that_is_cited(library: Library) -> None:
    for evidence in ask(library, "银行如何用数据做风控").evidence:
        for point in evidence.points:
            rest = squeeze(point.citation.quote)
            for place in point.citation.places:
                [page] = library.store.some_pages(point.hit.document.id, [place.page])
                text = squeeze(page.text[place.start : place.end])
                joiner, found, rest = rest.partition(text)
                assert found, (point.citation, text)
                assert set(joiner) <= JOINERS
            assert not rest


def squeeze(text: str) -> str:
    """Mended text without white space."""
    return "".join(mend(text).split())


def test_a_quote_over_several_lines_has_one_place_and_a_box_for_each(library: Library) -> None:
    for stored in library.store.live_passages():
        lines = [span for span in stored.passage.spans if not span.name]
        if stored.passage.kind is Kind.TEXT and len(lines) > 2 and len(stored.passage.pages) == 1:
            break
    whole = cite(library.store, stored.document, stored.passage, 0, len(stored.passage.text))
    [place] = whole.places
    assert (place.start, place.end) == (lines[0].start, lines[-1].end)
    assert len(place.boxes) == len(lines)
    assert [box[1] for box in place.boxes] == sorted(box[1] for box in place.boxes)
    [part] = cite(library.store, stored.document, stored.passage, 2, 5).places
    assert (part.start, part.end) == (lines[0].start + 2, lines[0].start + 5)
    [box] = part.boxes
    full = place.boxes[0]
    assert full[0] < box[0] < box[2] < full[2]
    assert (box[1], box[3]) == (full[1], full[3])


def test_citations_name_report_year_and_both_page_numbers(library: Library) -> None:
    answer = ask(library, QUESTION, Filters(report=("regional2021.pdf",)))
    citation = answer.evidence[0].points[0].citation
    assert (citation.document.title, citation.document.year) == ("区域性银行数字化观察（2021）", 2021)
    assert citation.document.publisher
    assert citation.pages
    assert len(citation.labels) == len(citation.pages)


def test_a_quote_over_a_page_break_names_both_pages(library: Library) -> None:
    broken = [stored for stored in library.store.live_passages() if len(stored.passage.pages) == 2]
    assert broken
    for stored in broken:
        whole = cite(library.store, stored.document, stored.passage, 0, len(stored.passage.text))
        assert whole.pages == stored.passage.pages
        first = cite(library.store, stored.document, stored.passage, 0, 2)
        assert first.pages == stored.passage.pages[:1]


def test_a_bank_filter_keeps_other_banks_out(library: Library) -> None:
    answer = ask(library, "零售做了什么", Filters(bank=("青岛银行",)))
    assert {evidence.bank for evidence in answer.evidence} == {"青岛银行"}


def test_what_was_searched_is_told(library: Library) -> None:
    coverage = ask(library, QUESTION).coverage
    assert coverage.documents == len(library.store.documents())
    assert coverage.passages == len(list(library.store.live_passages()))


def test_a_quote_that_is_not_on_its_page_is_dropped_and_counted(copied_settings: Settings) -> None:
    with Library.open(copied_settings, encoder()) as library:
        shown = ask(library, QUESTION).evidence[0].points[0]
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE pages SET text = upper(substr(text, 2)) WHERE document = ?", (shown.hit.document.id,))
    db.close()
    with Library.open(copied_settings, encoder()) as library:
        passage = library.store.passage(shown.hit.passage.id)
        with pytest.raises(QuoteNotFound, match=passage.document.file):
            cite(library.store, passage.document, passage.passage, 0, 10)
        answer = ask(library, QUESTION)
        assert answer.dropped > 0
        quoted = {point.hit.document.id for evidence in answer.evidence for point in evidence.points}
        assert shown.hit.document.id not in quoted


def test_below_the_threshold_it_abstains_with_the_nearest(library_settings: Settings) -> None:
    strict = library_settings.model_copy(update={"abstain_below": 0.999})
    with Library.open(strict, encoder()) as library:
        answer = ask(library, QUESTION)
    assert answer.abstained
    assert answer.evidence == ()
    assert len(answer.nearest) == 3


def test_of_several_banks_the_best_sentence_may_name_none(library: Library) -> None:
    text = "招商银行有学院。平安银行有营地。县城招不到人。"
    tags = (Tag(Field.BANK, "招商银行"), Tag(Field.BANK, "平安银行"))
    passage = Passage("p", Kind.TEXT, (), text, (Span(1, 0, len(text), 0),), tags)
    ends = (0, 8, 16, len(text))
    rated = zip(ends, ends[1:], (0.5, 0.5, 0.9), strict=False)
    sentences = tuple(Sentence(start, end, score) for start, end, score in rated)
    hit = Hit(1, 1.0, library.store.documents()[0], passage, text[16:], 16, sentences)
    assert quotes_by_bank(hit, default_bank_book()) == {"": (16, len(text))}


def test_a_second_source_is_cited_only_where_it_has_the_very_words(library: Library) -> None:
    first, second = library.search(QUESTION, 2).hits
    twins = [Twin(hit.document, hit.passage) for hit in (first, second)]
    assert first.quote not in second.passage.text
    [citation] = cite_also(library.store, twins, first.quote)
    assert (citation.passage_id, citation.quote) == (first.passage.id, first.quote)


def test_an_answer_tells_what_was_set_and_what_was_understood(library: Library) -> None:
    answer = ask(library, "青岛银行怎么做零售", Filters(year=(2018,)))
    assert answer.filters.year == (2018,)
    assert answer.understood.banks == ("青岛银行",)
    assert answer.evidence[0].bank == "青岛银行"


def test_a_bank_that_the_question_names_comes_first_and_few_others_follow(library: Library) -> None:
    plain = [group.bank for group in ask(library, "在开放银行上做了什么").evidence]
    named = [group.bank for group in ask(library, "青岛银行在开放银行上做了什么").evidence]
    assert named[0] == "青岛银行" != plain[0]
    assert 1 < len([bank for bank in named if bank]) <= 1 + FEW_BANKS


def test_what_is_not_shown_is_counted(library: Library) -> None:
    whole = ask(library, QUESTION, banks=100, points=20)
    counts = {group.bank: len(group.points) + group.more for group in whole.evidence}
    assert whole.more_banks == 0
    assert whole.coverage.banks == len([bank for bank in counts if bank]) > 3
    short = ask(library, QUESTION, banks=3, points=1)
    assert [group.bank for group in short.evidence] == [group.bank for group in whole.evidence][:3] + [""]
    assert short.more_banks == whole.coverage.banks - 3
    assert all(len(group.points) == 1 for group in short.evidence)
    assert {group.bank: 1 + group.more for group in short.evidence}.items() <= counts.items()


def test_banks_with_weak_evidence_come_later_and_have_one_point(library: Library) -> None:
    evidence = [group for group in ask(library, QUESTION, points=5).evidence if group.bank]
    strong = [group.strong for group in evidence]
    assert strong == sorted(strong, reverse=True)
    assert 0 < sum(strong) < len(strong)
    assert sum(strong) <= STRONG_BANKS
    assert all(len(group.points) == 1 for group in evidence if not group.strong)
    several = [ask(library, question, points=5) for question in ("青岛银行在开放银行上做了什么", "农商行怎么服务乡村")]
    assert max(len(group.points) for answer in several for group in answer.evidence if group.bank) > 1
    scores = [group.points[0].hit.score for group in evidence]
    assert scores == sorted(scores, reverse=True)
    assert all(score >= STRONG for score, group in list(zip(scores, evidence, strict=True))[1:] if group.strong)
    assert all(score >= STANDS_OUT for score in scores)


def test_a_question_for_a_figure_has_few_banks(library: Library) -> None:
    assert len(ask(library, "不良贷款率是多少").evidence) <= FEW_BANKS + 1


def quoted(point: Point) -> str:
    return point.citation.quote


def test_each_bank_has_a_line_that_stands_in_one_of_its_quotes(library: Library) -> None:
    book = default_bank_book()
    told = 0
    for question in (QUESTION, "银行如何用数据做风控", "农商行怎么服务乡村"):
        for group in ask(library, question).evidence:
            assert group.gist in "\n".join(point.citation.quote for point in group.points)
            assert len(group.gist) <= LONGEST
            told += bool(group.gist)
            [quote] = [text for text in map(quoted, group.points) if group.gist in text][:1]
            before, _, after = quote.partition(group.gist)
            assert not (re.search(r"[\d.]$", before) and re.match(r"\d", group.gist)), (group.gist, quote)
            assert not (re.search(r"\d$", group.gist) and re.match(r"[\d.,%％]", after)), (group.gist, quote)
            if group.bank and group.gist:
                named = {mention.name for mention in book.mentions(group.gist)}
                together = re.sub(r"、|和|及|与|以及", "", group.gist)
                for mention in book.mentions(group.gist):
                    together = together.replace(group.gist[mention.start : mention.end], "银行")
                assert named <= set(book.lineage(group.bank)) or "银行银行" in together, (group.bank, group.gist)
    assert told > 20


@pytest.mark.parametrize(
    ("heading", "text", "quote", "bank"),
    [
        ("难处", "1. 钱少\n招商银行投入近百亿元。\n2. 人少\n县城招不到人。", "县城招不到人。", ""),
        ("难处", "1. 钱少\n招商银行投入近百亿元。\n2. 人少\n县城招不到人。", "招商银行投入近百亿元。", "招商银行"),
        ("三个办法", "招商银行有两个办法：\n1. 引进\n到高校招聘。\n2. 培养\n轮岗。", "到高校招聘。", "招商银行"),
        ("招商银行的办法", "1. 引进\n招商银行到高校招聘。\n2. 培养\n轮岗。", "轮岗。", "招商银行"),
        ("办法", "招商银行到高校招聘。还办了学院。", "还办了学院。", "招商银行"),
        ("办法", "招商银行到高校招聘。但大部分中小银行做不到。", "但大部分中小银行做不到。", ""),
        ("办法", "多数银行不敢，招商银行先走了一步。", "多数银行不敢，招商银行先走了一步。", "招商银行"),
    ],
)
def test_a_point_of_a_list_is_not_said_of_a_bank_that_another_point_names(
    library: Library, heading: str, text: str, quote: str, bank: str
) -> None:
    tags = (Tag(Field.BANK, "招商银行"),)
    passage = Passage("p", Kind.TEXT, (heading,), text, (Span(1, 0, len(text), 0),), tags)
    hit = Hit(1, 1.0, library.store.documents()[0], passage, quote, text.index(quote))
    found = quotes_by_bank(hit, default_bank_book())
    assert found == {bank: (text.index(quote), text.index(quote) + len(quote))}
