"""The views without a browser: what is escaped, counted, drawn and said in English; problems; the weight of it all."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient

from api.app import STATIC, create_app
from api.page import render
from api.page.asked import Asked
from api.page.charts import radar, shade
from api.page.excerpts import mark, mark_quote, pool
from api.page.facets import facets_of, matches
from api.schemas import QUESTION
from kb.answer import ask
from kb.banks import default_bank_book
from kb.build import ingest
from kb.evidence import Finding, gather
from kb.grid import INDUSTRY, NO_TOPIC, NO_YEAR
from kb.records import Filters
from kb.search import Library
from kb.settings import Settings
from kb.show import FIELDS, SOURCES
from kb.tag.overrides import Role
from kb.taxonomy import load_taxonomy
from tests import pdfs
from tests.conftest import Silent, encoder

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
TEMPLATES = STATIC.parent / "templates"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(library_settings), headers=BROWSER) as opened:
        yield opened


# text from outside

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
BRACES = "{0} {} {x} %s $& \\1"
HEADING = f"1. {SCRIPT}{IMAGE}人才培养"
SENTENCE = f"长沙银行为缓解金融科技人才短缺，设立内部学院{SCRIPT}{IMAGE}{BRACES}，分三级认证科技骨干。"
TITLE = f"{SCRIPT}{IMAGE}{BRACES} 人才报告"
FILE = f"{IMAGE}{BRACES} 人才.txt".replace("/", "")


@pytest.fixture(scope="module")
def hostile(library_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of an index of two reports whose names, titles, headings and text are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "reports").mkdir()
    (folder / "reports" / FILE).write_text(f"{HEADING}\n\n{SENTENCE}\n", encoding="utf-8")
    sheet = pdfs.Sheet(folder / "reports" / f"{IMAGE}.pdf")
    sheet.canvas.setTitle(TITLE)
    sheet.canvas.setAuthor(SCRIPT)
    sheet.text(72, 90, 441, SENTENCE, 10)
    sheet.text(72, 300, 441, pdfs.prose(1, 200))
    sheet.save()
    changed = library_settings.model_copy(update={"index": folder / "index", "abstain_below": 0.0})
    assert not ingest([folder / "reports"], changed, encoder, Silent()).failed
    with TestClient(create_app(changed), headers=BROWSER) as opened:
        yield opened


def hostile_addresses(client: TestClient) -> list[str]:
    """A path to every view that shows something of a hostile report, or of a hostile request."""
    reports = client.get("/v1/documents", headers={"Accept": "*/*"}).json()["documents"]
    found = client.get("/v1/search", params={"q": "金融科技人才短缺"}, headers={"Accept": "*/*"}).json()["results"]
    of_reports = [f"/?report={one['id']}" for one in reports]
    of_passages = [f"{path}{one['passage_id']}" for one in found for path in ("/?passage=", "/evidence/")]
    asking = Asked("/", f"金融科技人才短缺{SCRIPT}{IMAGE}{BRACES}")
    answers = [asking.address(path) for path in ("/", "/excerpts", "/grid")]
    of_passages += [f"/?report={reports[0]['id']}&passage={one['passage_id']}" for one in found]
    narrowed = [asking.having("report", one["id"]).address(path) for one in reports for path in ("/", "/excerpts")]
    wrong = [asking.having("bank", IMAGE + BRACES).address(), f"/banks/{IMAGE}{BRACES}", f"/{SCRIPT}", f"/?{IMAGE}=1"]
    views = ["/", "/library", "/banks?compare=长沙银行", "/banks/长沙银行", "/grid", "/cases"]
    return [*views, *of_reports, *of_passages, *answers, *narrowed, *wrong]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_hostile_text_stays_text_in_every_view(hostile: TestClient, language: str) -> None:
    hostile.cookies.set(render.LANGUAGE, language)
    seen = ""
    for address in hostile_addresses(hostile):
        response = hostile.get(address)
        assert response.status_code in (200, 404, 422), (address, response.text)
        page = Elements(response.text)
        seen += page.text
        for tag, attributes in page.found:
            assert tag != "script" or attributes in (
                {"type": "application/json", "id": "words"},
                {"type": "module", "src": "/static/page.js"},
            )
            assert tag != "img" or str(attributes["src"]).startswith("/v1/documents/"), address
            assert not [name for name in attributes if name.startswith("on") or name == "style"], address
            for name in ("href", "src", "action"):
                assert not str(attributes.get(name) or "").startswith(("javascript:", "data:", "http", "//", "\\"))
    for part in (SCRIPT + IMAGE + BRACES, HEADING, TITLE, FILE):
        assert part in seen


@pytest.mark.parametrize("path", ["//elsewhere.example/?q=x", "/%5Celsewhere.example/?q=x", "///elsewhere.example?a=b"])
def test_no_link_of_a_problem_leads_elsewhere(client: TestClient, path: str) -> None:
    page = Elements(client.get(f"http://testserver{path}").text)
    links = [str(attributes.get("href")) for tag, attributes in page.found if tag == "a"]
    assert links and not [link for link in links if "elsewhere" in link]


def test_nor_does_one_of_a_request_that_is_turned_away(client: TestClient) -> None:
    sent = client.post("http://testserver//elsewhere.example/x?y=1", headers={"Sec-Fetch-Site": "cross-site"})
    assert sent.status_code == 403 and "elsewhere" not in sent.text.partition("<main")[2].partition("</main")[0]


def test_marks_are_set_around_escaped_words() -> None:
    assert mark("<b>人才</b>、人才荒", ["人才"]) == "&lt;b&gt;<mark>人才</mark>&lt;/b&gt;、<mark>人才</mark>荒"
    assert mark("AI与ai", ["ai"]) == "<mark>AI</mark>与<mark>ai</mark>"
    assert mark("金融科技", ["金融", "科技", "金融科技"]) == "<mark>金融科技</mark>"
    assert mark("a+b<c>", ["+", "<c>", ""]) == "a<mark>+</mark>b<mark>&lt;c&gt;</mark>"
    assert mark("<i>", []) == "&lt;i&gt;"


def test_a_quote_is_set_off_in_its_passage() -> None:
    marked = mark_quote("<前>缺人才。后", "缺人才。", ["人才"])
    assert marked == '&lt;前&gt;<span class="best">缺<mark>人才</mark>。</span>后'
    assert mark_quote("缺人才。", "不在其中", ["缺"]) == mark_quote("缺人才。", "", ["缺"]) == "<mark>缺</mark>人才。"


# what was asked


def test_addresses_hold_what_was_asked_and_give_it_back() -> None:
    strange = "a&b=c #d+e%20 \"'<人才>/?;"
    asked = Asked("/", strange, Filters(bank=("甲&乙", "丙"), year=(2021,)))
    given = parse_qsl(urlsplit(asked.address("/grid", rows="bank", top=0)).query)
    assert given == [("q", strange), ("bank", "甲&乙"), ("bank", "丙"), ("year", "2021"), ("rows", "bank")]
    assert urlsplit(asked.address("/grid")).path == "/grid" and Asked("/cases").address() == "/cases"
    assert not re.search(r"[<>\"'\s]", asked.address())


def test_filters_are_added_and_taken_away() -> None:
    asked = Asked("/", "问", Filters(bank=("甲",)))
    assert asked.having("bank", "乙").filters.bank == ("甲", "乙")
    assert asked.having("bank", "甲") == asked
    assert asked.lacking("bank", "甲") == asked.bare == Asked("/", "问")
    assert asked.toggled("bank", "甲") == asked.bare and asked.toggled("year", 2021).filters.year == (2021,)
    assert asked.narrowed("bank", "乙").filters.bank == ("乙",) and asked.narrowed("bank", "") == asked
    assert asked.only(topic="talent", year=0).filters == Filters(topic=("talent",))
    assert [(chip.name, chip.value, chip.without) for chip in asked.chips()] == [("bank", "甲", "/?q=问")]


# counts and drawings


@pytest.fixture(scope="module")
def findings(library: Library) -> list[Finding]:
    """All evidence for the question."""
    found = pool(gather(library, QUESTION, Filters()), ask(library, QUESTION, None, 200, 20))
    assert len(found) > 5
    return found


def has(finding: Finding, name: str) -> set[str]:
    """The values of a finding for one filter."""
    passage, document = finding.passage, finding.document
    return {
        "bank": {finding.bank} - {""},
        "dimension": {passage.dimension} - {""},
        "topic": set(passage.topics),
        "year": {str(document.year)} if document.year else set(),
        "report": {document.id},
    }[name]


@pytest.mark.parametrize("given", [{}, {"dimension": ("组织",)}, {"year": (2023,), "topic": ("talent",)}])
def test_facets_count_what_brute_force_counts(
    findings: list[Finding], library: Library, given: dict[str, object]
) -> None:
    asked = Asked("/", QUESTION, Filters(**given))  # type: ignore[arg-type]
    known, reports = library.catalogue.resolve(asked.filters)
    wanted = {name: {str(value) for value in values} for name, values in given.items()}  # type: ignore[attr-defined]
    for facet in facets_of(findings, asked, known, reports, {}):
        others = {name: values for name, values in wanted.items() if name != facet.name}
        left = [one for one in findings if all(values & has(one, name) for name, values in others.items())]
        values = {value for one in left for value in has(one, facet.name)}
        counts = {value: len({one.group for one in left if value in has(one, facet.name)}) for value in values}
        assert {choice.value: choice.count for choice in facet.choices} == counts
        assert {choice.value for choice in facet.choices if choice.chosen} == wanted.get(facet.name, set()) & values
        most = max(counts.values())
        assert all(choice.share == pytest.approx(choice.count / most) for choice in facet.choices)
    assert all(matches(one, Filters(), ()) for one in findings)


def test_a_choice_leads_to_as_many_excerpts_as_it_counts(client: TestClient, findings: list[Finding]) -> None:
    asked = Asked("/", QUESTION)
    for facet in facets_of(findings, asked, asked.filters, (), {}):
        for choice in (facet.choices[0], facet.choices[-1]):
            shown = client.get(choice.address.replace("/?", "/excerpts?", 1)).text
            total = re.search(r"全部摘录 (\d+) 条", shown)
            assert total and int(total[1]) == choice.count, choice
            assert 'aria-current="true"' in shown


@pytest.mark.parametrize("filters", ["dimension=技术", "year=2021", "bank=青岛银行&bank=成都银行", "topic=talent"])
def test_below_an_answer_stands_all_that_it_has_under_filters_too(client: TestClient, filters: str) -> None:
    asked = f"q={QUESTION}&{filters}"
    answered = Elements(client.get(f"/?{asked}").text).found
    listed = Elements(client.get(f"/excerpts?all=1&{asked}").text).found
    above, below = ({one["data-passage"] for _, one in found if "data-passage" in one} for found in (answered, listed))
    assert above and above <= below


def corners(points: str) -> list[tuple[float, ...]]:
    """Points as SVG has them."""
    return [tuple(float(number) for number in point.split(",")) for point in points.split()]


def test_a_radar_is_drawn_by_the_roots_of_counts() -> None:
    drawn = radar(["上", "右", "下", "左"], {"甲": {"上": 4, "右": 1}, "乙": {"左": 4, "别": 9}})
    assert drawn.most == 4
    assert corners(drawn.webs[0].points) == [(0, -100), (50, 0), (0, 0), (0, 0)]
    assert corners(drawn.webs[1].points) == [(0, 0), (0, 0), (0, 0), (-100, 0)]
    assert drawn.webs[1].counts == (0, 0, 0, 4)
    assert corners(drawn.rings[-1]) == [(0, -100), (100, 0), (0, 100), (-100, 0)]
    assert [spoke.anchor for spoke in drawn.spokes] == ["middle", "start", "middle", "end"]
    assert corners(radar(["上", "右"], {"甲": {}}).webs[0].points) == [(0, 0), (0, 0)]


def test_cells_are_shaded_by_the_roots_of_counts() -> None:
    assert [shade(count, 100) for count in (0, 1, 25, 100)] == [0, 1, 3, 5]
    assert shade(0, 0) == 0


# problems


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/?q=x&bank=无此银行", 422, "unknown-name"),
        ("/?q=x&banks=西安银行", 422, "unknown-name"),
        ("/?q=x&year=soon", 422, "invalid-request"),
        ("/?passage=0000000000000000", 404, "not-found"),
        ("/?dimension=生态&bank=西安银行", 404, "nothing-matches"),
        ("/?q=人才&dimension=生态&bank=西安银行", 404, "nothing-matches"),
        ("/grid?rows=nonsense", 422, "invalid-request"),
        ("/library?x=1", 422, "unknown-name"),
        ("/nowhere", 404, "blank"),
    ],
)
def test_a_browser_is_shown_a_problem_and_a_program_is_told_it(
    client: TestClient, path: str, status: int, kind: str
) -> None:
    shown = client.get(path)
    assert (shown.status_code, shown.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f'data-kind="{kind}"' in shown.text and 'role="alert"' in shown.text
    assert "Cookie" in shown.headers["vary"] and "excerpt" not in Elements(shown.text).text
    told = client.get(path, headers={"Accept": "application/json"})
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
    assert told.json()["type"].endswith(kind)


@pytest.mark.parametrize("path", ["/v1/search?q=x&bank=无此银行", "/v1/nothing", "/healthz/x", "/metrics/x"])
def test_what_is_for_programs_answers_browsers_with_data_too(client: TestClient, path: str) -> None:
    assert client.get(path).headers["content-type"] == "application/problem+json"


def test_filters_that_match_nothing_never_show_everything(client: TestClient) -> None:
    cases = client.get("/cases?bank=西安银行").text
    assert 'role="alert"' in cases and 'class="card"' not in cases
    grid = client.get("/grid?bank=西安银行&dimension=生态").text
    assert 'class="not_held"' in grid and 'class="heat-' not in grid


# in English

HAN = re.compile("[\u4e00-\u9fff]")
UNTRANSLATED = {"中文"}
"""The name of a language is written in it."""


def texts_of_templates() -> set[str]:
    """Every text in the expressions of the templates, but for questions that are asked in Chinese."""
    found = set()
    for path in TEMPLATES.glob("*.html"):
        source = re.sub(r"\{#.*?#\}|\{% for example in .*?%\}", "", path.read_text("utf-8"), flags=re.DOTALL)
        for expression in re.findall(r"\{[{%].*?[%}]\}", source, re.DOTALL):
            found |= set(re.findall(r'"([^"]*)"', expression))
    return {text for text in found if HAN.search(text)}


def texts_of_scripts() -> set[str]:
    """Every text in the scripts of the page."""
    sources = [path.read_text("utf-8") for path in STATIC.glob("*.js") if path.name != "docs.js"]
    found = {text for source in sources for text in re.findall(r'"([^"\n]*)"', source)}
    return {text for text in found if HAN.search(text)}


def texts_of_data() -> set[str]:
    """What views say of tags, banks and rows, by the names that kb has for these."""
    taxonomy = load_taxonomy()
    kinds = {bank.kind for bank in default_bank_book().banks}
    sides = {side.id for side in taxonomy.dimensions} | {topic.label for topic in taxonomy.topics}
    rows = {INDUSTRY, NO_TOPIC, NO_YEAR}
    return {*FIELDS.values(), *SOURCES.values(), *get_args(Role), *sides, *kinds, *rows} - {""}


@pytest.mark.parametrize("texts", [texts_of_templates, texts_of_scripts, texts_of_data])
def test_every_text_has_its_english_with_as_many_values(texts: object) -> None:
    english = render.english()
    found = texts() - UNTRANSLATED  # type: ignore[operator]
    assert len(found) > 10
    assert {text for text in found if text not in english} == set()
    wrong = {text: said for text, said in english.items() if said.count("{}") != text.count("{}")}
    assert wrong == {}


def test_no_text_of_the_templates_stands_beside_the_table() -> None:
    for path in TEMPLATES.glob("*.html"):
        bare = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert not HAN.search(bare), path.name


def test_nothing_in_the_table_is_said_nowhere() -> None:
    table = {text for text in render.english() if HAN.search(text)}
    assert table - texts_of_templates() - texts_of_scripts() - texts_of_data() == set()


def test_views_speak_the_language_of_the_cookie(client: TestClient) -> None:
    client.cookies.set(render.LANGUAGE, "en")
    shown = client.get("/", params={"q": QUESTION}).text
    client.cookies.clear()
    assert '<html lang="en"' in shown and ">Library<" in shown and "资料库</a>" not in shown
    assert '<html lang="zh-CN"' in client.get("/").text


# weight

MODULES = ("page", "ask", "basket", "library", "common")


def test_an_answer_weighs_little(client: TestClient) -> None:
    paths = [f"/?q={QUESTION}", f"/excerpts?q={QUESTION}", "/static/page.css", "/static/icon.svg"]
    paths += [f"/static/{name}.js" for name in MODULES]
    assert sum(len(client.get(path).content) for path in paths) < 200_000


def test_the_page_has_no_other_modules_and_is_short() -> None:
    scripts, styles = sorted(STATIC.glob("*.js")), sorted(STATIC.glob("*.css"))
    assert {path.stem for path in scripts} == {*MODULES, "docs"}
    assert sum(len(path.read_text("utf-8").splitlines()) for path in (*scripts, *styles)) < 1500
