"""Hostile input: an API asked at random, other languages' syntax in questions, scripts in reports, bombs, odd paths."""

import csv
import hashlib
import io
import json
import os
import re
import resource
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docx
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from PIL import Image
from playwright.sync_api import sync_playwright
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from api import limits
from api.app import create_app
from api.schemas import QUESTION
from kb.build import Pipeline, ingest
from kb.errors import UnreadableFile
from kb.picture import Marks, Pictures, View
from kb.records import Document
from kb.settings import Settings
from tests import pdfs
from tests.conftest import CACHE, Silent, encoder
from tests.test_page import CHROMIUM, FLAGS, serving

EXAMPLES = int(os.environ.get("KB_TEST_EXAMPLES", 2))
"""Requests of each kind to an endpoint; more find more, in a run apart."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

PERHAPS = hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def operations(app: object) -> dict[str, APIOperation]:
    """The endpoints of the application's OpenAPI document, by method and path."""
    found = schemathesis.openapi.from_asgi("/openapi.json", app)
    return {operation.ok().label: operation.ok() for operation in found.get_all_operations()}


HERE = {"hosts": "testserver"}
"""The name by which the test clients call."""

LABELS = sorted(operations(create_app(Settings(index=Path("none"), cache=CACHE, hosts="testserver"))))


# The API, asked at random


@pytest.fixture(scope="module")
def hostile_settings(library_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a copy of the sample index, which requests may change."""
    folder = tmp_path_factory.mktemp("hostile") / "index"
    shutil.copytree(library_settings.index, folder)
    return library_settings.model_copy(update={"index": folder, **HERE})


@pytest.fixture(scope="module")
def client(hostile_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(hostile_settings), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def known(client: TestClient) -> dict[str, list[Any]]:
    """Values that lead somewhere, for parameters by their names."""
    documents = [entry["id"] for entry in client.get("/v1/documents").json()["documents"]]
    passages = [hit["passage_id"] for hit in client.get("/v1/search", params={"q": QUESTION}).json()["results"]]
    cases = [entry["id"] for entry in client.get("/v1/cases").json()["cases"]]
    return {
        "/v1/documents": documents,
        "/v1/passages": passages,
        "/p": passages,
        "/v1/cases": cases,
        "q": [QUESTION, "人才", "数据治理"],
        "bank": [["长沙银行"]],
        "dimension": [["组织"]],
        "year": [[2023]],
        "report": [["survey2023.pdf"]],
        "topic": [["talent"]],
        "number": [1, 2],
        "passage": passages,
    }


def made_known(case: Case, known: dict[str, list[Any]], data: st.DataObject) -> None:
    """Put values that lead somewhere into a request in place of some random ones."""
    for name in case.path_parameters:
        prefix = case.path.partition("/{")[0]
        values = known.get(prefix if name == "id" else name)
        if values and data.draw(st.booleans()):
            case.path_parameters[name] = data.draw(st.sampled_from(values))
    for name in case.query:
        if name in known and data.draw(st.booleans()):
            case.query[name] = data.draw(st.sampled_from(known[name]))
    if isinstance(case.body, dict) and isinstance(case.body.get("quotes"), list) and data.draw(st.booleans()):
        case.body["quotes"] = [{"passage_id": data.draw(st.sampled_from(known["passage"]))}]


@pytest.mark.parametrize("label", LABELS)
def test_no_request_makes_the_server_fail_or_answer_otherwise_than_documented(
    label: str, hostile_settings: Settings, known: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_SECONDS", 0.02)  # that of all jobs ends by nothing else
    operation = operations(create_app(hostile_settings))[label]

    @PERHAPS
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE), data=st.data())
    def sound(case: Case, data: st.DataObject) -> None:
        made_known(case, known, data)
        case.call_and_validate(checks=CHECKS)

    @PERHAPS
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def wrong(case: Case) -> None:
        case.call_and_validate(checks=CHECKS)

    sound()
    try:
        wrong()
    except Unsatisfiable:  # it takes nothing that could be wrong
        assert not operation.definition.raw.get("parameters")


# Syntax of SQL, of tantivy's queries and of patterns, which means nothing here

SAME_WORDS = [
    ('"人才" "短缺"', "人才 短缺"),
    ("人才* 短缺?", "人才 短缺"),
    ("+人才 -短缺", "人才 短缺"),
    ("(人才 短缺", "人才 短缺"),
    ("/人才/ 短缺\\", "人才 短缺"),
    ("人才% 短缺_", "人才 短缺"),
    ("人才\0短缺", "人才 短缺"),
    ("人才' 短缺;--", "人才 短缺"),
    ("人才 AND NOT 短缺", "人才 and not 短缺"),
    ("人才 OR 短缺", "人才 or 短缺"),
    ("text:人才 短缺", "text 人才 短缺"),
    ("[人才 TO 短缺]", "人才 to 短缺"),
    ("人才'; DROP TABLE passages;-- 短缺", "人才 drop table passages 短缺"),
]

INJECTED = [
    "' OR '1'='1",
    "长沙银行' --",
    '长沙银行" OR "1',
    "长沙银行'; DROP TABLE documents;--",
    "长沙%",
    "长沙*",
    "%",
    "_",
    "*",
    "\0",
    "组织 OR 技术",
    "NOT 组织",
    "../../etc/passwd",
]


@pytest.mark.parametrize("query, plain", SAME_WORDS)
def test_syntax_in_a_question_is_words_or_nothing(client: TestClient, query: str, plain: str) -> None:
    found, same = (
        client.get("/v1/search", params={"q": words, "explain": True, "top": 100}).json() for words in (query, plain)
    )
    assert {clue["said"] for clue in found["explanation"]["words"]} == {
        clue["said"] for clue in same["explanation"]["words"]
    }
    scores, others = (
        {hit["passage_id"]: round(hit["scores"]["lexical"], 3) for hit in each["results"]} for each in (found, same)
    )
    both = scores.keys() & others.keys()
    assert len(both) > 10 and any(scores[one] for one in both)
    assert {one: scores[one] for one in both} == {one: others[one] for one in both}


@pytest.mark.parametrize("value", INJECTED)
@pytest.mark.parametrize("name", ["bank", "dimension", "topic", "report"])
def test_syntax_in_a_filter_is_a_name_that_is_not_known(client: TestClient, name: str, value: str) -> None:
    for address in ("/v1/search", "/v1/cases"):
        query = {name: value} | ({"q": "人才"} if address == "/v1/search" else {})
        response = client.get(address, params=query)
        assert response.status_code == 422, response.text
        assert response.json()["type"] == "urn:kb:problem:unknown-name"


@pytest.mark.parametrize("value", INJECTED)
def test_syntax_in_an_id_is_nothing_that_is_found(client: TestClient, value: str) -> None:
    before = client.get("/v1/documents").json()
    for folder in ("/v1/documents/", "/v1/passages/", "/v1/cases/", "/p/", "/v1/jobs/"):
        response = client.get(folder + quote(value, safe=""), follow_redirects=False)
        assert response.status_code == 404, response.text
        assert response.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/documents").json() == before


def test_syntax_in_the_name_of_a_figure_is_no_pattern(client: TestClient) -> None:
    name = client.get("/v1/figures").json()["figures"][0]["name"]
    assert client.get("/v1/figures", params={"name": name}).json()["total"]
    for value in (f"{name[0]}%{name[-1]}", f"{name[:-1]}_", f"{name[0]}*", f"{name}' --", "' OR ''='"):
        assert client.get("/v1/figures", params={"name": value}).status_code == 404
        assert client.get("/v1/figures", params={"unit": value}).status_code == 404


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static/%2e%2e%2f%2e%2e%2fpyproject.toml",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/page.js%00.png",
        "/static/....//app.py",
        "/p/..%2f..%2fetc%2fpasswd",
        "/p/%0d%0aSet-Cookie:x=1",
        "/p///elsewhere.example",
        "/v1/documents/..%2f..%2fetc%2fpasswd",
        "/v1/documents/%2e%2e/pages/1.png",
        "/v1/documents/x/pages/..%2f..%2f1.png",
        "/v1/documents/x%2fpages%2f1.png/tables",
        "/v1/passages/a%00b",
    ],
)
def test_paths_lead_nowhere_else(client: TestClient, path: str) -> None:
    response = client.get(path, follow_redirects=False)
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert "location" not in response.headers and "set-cookie" not in response.headers


# Scripts in a report's text, title and file name

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
FORMULA = '=HYPERLINK("http://elsewhere.example/","点此")'
MARKED = "[点此](javascript:alert(3)) ![](http://elsewhere.example/x.png)"
TURNED = "\u202e倒写\u2066"
TITLE = f"{SCRIPT}{IMAGE} 人才报告"
SENTENCE = f"长沙银行为缓解金融科技人才短缺，设立内部学院{SCRIPT}{IMAGE}，{MARKED}{TURNED}分三级认证科技骨干。"
PASSED = "为缓解金融科技人才短缺"


def write_hostile(folder: Path) -> None:
    """A Markdown-like text and a PDF whose every part is hostile, their names too."""
    text = f"一、{IMAGE}人才培养\n\n{SENTENCE}\n\n二、项目\n\n{FORMULA}\t{SCRIPT}\n+1+1\t@SUM(1)\n=1+1\t2023年末\n"
    (folder / f"=1+1{IMAGE}{TURNED}.txt").write_text(text * 2, encoding="utf-8")
    sheet = pdfs.Sheet(folder / f"{IMAGE}人才.pdf")
    sheet.canvas.setTitle(TITLE)
    sheet.canvas.setAuthor(FORMULA)
    sheet.text(72, 90, 441, SENTENCE.replace(TURNED, ""), 10)
    sheet.text(72, 300, 441, pdfs.prose(1, 200))
    sheet.save()


@pytest.fixture(scope="module")
def scripted(library_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of an index of two hostile reports."""
    folder = tmp_path_factory.mktemp("scripted")
    (folder / "reports").mkdir()
    write_hostile(folder / "reports")
    changed = library_settings.model_copy(update={"index": folder / "index", "abstain_below": 0.0, **HERE})
    report = ingest([folder / "reports"], changed, encoder, Silent())
    assert not report.failed
    return changed


@pytest.fixture(scope="module")
def scripted_client(scripted: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(scripted)) as opened:
        yield opened


def found_ids(client: TestClient) -> list[str]:
    """The passages with the hostile sentence, of both reports."""
    hits = client.get("/v1/search", params={"q": "金融科技人才短缺", "top": 20}).json()["results"]
    found = [hit["passage_id"] for hit in hits if SCRIPT in hit["quote"] or "<script>" in hit["quote"]]
    assert found
    return found


def test_json_holds_what_the_report_says(scripted_client: TestClient) -> None:
    documents = scripted_client.get("/v1/documents")
    assert documents.headers["content-type"] == "application/json"
    assert documents.headers["x-content-type-options"] == "nosniff"
    assert "script-src" not in documents.headers["content-security-policy"]
    assert TITLE in {entry["title"] for entry in documents.json()["documents"]}
    assert all("/" not in entry["file"] or "</" in entry["file"] for entry in documents.json()["documents"])


def test_csv_runs_no_formula(scripted_client: TestClient) -> None:
    ids = [entry["id"] for entry in scripted_client.get("/v1/documents").json()["documents"]]
    files = [scripted_client.get(f"/v1/documents/{id}/tables", params={"format": "csv"}) for id in ids]
    files.append(scripted_client.get("/v1/matrix", params={"q": "金融科技人才短缺", "format": "csv"}))
    files.append(quoted_as(scripted_client, "csv"))
    cells = [
        cell for file in files for row in csv.reader(io.StringIO(file.content.decode("utf-8-sig"))) for cell in row
    ]
    assert any("HYPERLINK" in cell for cell in cells)
    assert any(IMAGE in cell for cell in cells)
    assert not [cell for cell in cells if re.match(r"[=@\t\r]|[+-].*[A-Za-z|!]", cell)]
    for file in files:
        assert file.headers["content-type"].startswith("text/csv")
        disposition = file.headers["content-disposition"]
        assert disposition.isascii() and not re.search(r"[<>\r\n]", disposition)


def quoted_as(client: TestClient, format: str, note: str = "") -> Any:
    """The hostile quotes as a file."""
    quotes = [{"passage_id": found, "note": note} for found in found_ids(client)]
    response = client.post("/v1/quotes", json={"quotes": quotes, "format": format})
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"].startswith("attachment;")
    return response


def test_markdown_shows_marks_and_runs_nothing(scripted_client: TestClient) -> None:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin

    written = quoted_as(scripted_client, "md", note=f"{SCRIPT}\n\n# {MARKED}").text
    html = MarkdownIt("commonmark", {"html": True}).use(footnote_plugin).render(written)
    assert "&lt;script&gt;" in html
    assert not re.search(r"<(?:script|img|iframe)|javascript:[^<]*\"|<a[^>]+href=\"(?!#)", html)


def test_word_holds_the_words_as_text(scripted_client: TestClient) -> None:
    response = quoted_as(scripted_client, "docx", note=SCRIPT + FORMULA)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith((".xml", ".rels"))}
    assert any("&lt;script&gt;" in part for part in parts.values())
    assert not any("<script" in part or 'TargetMode="External"' in part for part in parts.values())
    assert not any("w:fldSimple" in part or "w:instrText" in part for part in parts.values())


@pytest.mark.parametrize("format", ["bibtex", "ris", "csl-json", "gbt7714", "footnote"])
def test_references_are_no_pages_and_hold_one_record_a_report(scripted_client: TestClient, format: str) -> None:
    response = quoted_as(scripted_client, format)
    assert not response.headers["content-type"].startswith(("text/html", "image/svg"))
    reports = {hit["doc"]["id"] for hit in scripted_client.get("/v1/search", params={"q": PASSED}).json()["results"]}
    if format == "bibtex":
        assert len(pybtex_entries(response.text)) == len(reports)
    elif format == "ris":
        assert response.text.count("TY  - ") == response.text.count("ER  - ") == len(reports)
    elif format == "csl-json":
        assert TITLE in {entry["title"] for entry in response.json()}


def pybtex_entries(text: str) -> Sequence[str]:
    """The keys in a BibTeX file, as its reader finds them."""
    from pybtex.database import parse_string

    return list(parse_string(text, "bibtex").entries)


def test_pictures_of_a_grid_hold_no_elements_of_the_report(scripted_client: TestClient) -> None:
    asked = {"q": f"金融科技人才短缺{SCRIPT}{IMAGE}"}
    drawn = scripted_client.get("/v1/matrix", params={**asked, "format": "svg"})
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert drawn.headers["content-disposition"].startswith("attachment")
    assert not re.search(r"<script|onerror\s*=|<image|<a |javascript:", drawn.text.replace("&lt;", "‹"))
    assert scripted_client.get("/v1/matrix", params={**asked, "format": "png"}).content.startswith(b"\x89PNG")


def test_problems_are_json_and_no_page(scripted_client: TestClient) -> None:
    for address, query in (
        (f"/v1/passages/{quote(SCRIPT, safe='')}", {}),
        ("/v1/search", {"q": "人才", "bank": SCRIPT}),
        ("/v1/search", {"q": "人才", SCRIPT: "x"}),
        (f"/{quote(SCRIPT)}", {}),
    ):
        response = scripted_client.get(address, params=query)
        assert response.status_code in (404, 422)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-content-type-options"] == "nosniff"
        json.loads(response.text)


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: none on the path, and KB_CHROMIUM is not set")
def test_the_page_runs_nothing_of_a_report_and_asks_nobody_else(scripted: Settings) -> None:
    said: list[str] = []
    asked: list[str] = []
    with serving(scripted) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(address) else asked.append(request.url))
        page.goto(f"{address}/?q={quote('金融科技人才短缺' + IMAGE + SCRIPT)}")
        page.locator("#excerpts:not([aria-busy])").wait_for()
        shown = page.locator("main").inner_text()
        assert SCRIPT in shown and TITLE in shown
        passages = [each.get_attribute("data-passage") for each in page.locator(".found .excerpt").all()]
        page.locator(".found .take").first.click()
        page.locator("#open-basket").click()
        page.locator("#basket-preview", has_text=SCRIPT).wait_for()
        page.locator("#basket .close").click()
        page.locator(".found a.open").first.click()
        page.locator("#evidence figure.page").wait_for()
        for path in (*(f"/p/{each}" for each in passages[:3]), "/", "/library", "/banks", "/grid", "/cases"):
            page.goto(address + path)
            page.wait_for_load_state("networkidle" if path != "/library" else "load")  # which listens to jobs
            assert page.locator("script").count() == page.locator("#words, script[src='/static/page.js']").count() == 2
            assert page.locator("img[src='x'], a[href^='javascript:'], a[href*='elsewhere']").count() == 0
        page.goto(f"{address}/?q=x&bank={quote(IMAGE)}")
        page.get_by_role("alert").filter(has_text="onerror").wait_for()
        browser.close()
    assert not asked
    assert not [words for words in said if "422" not in words]


# Bombs: little that unpacks to much


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """Reading with narrow limits, so that tests see them soon."""
    opened = Pipeline(Settings(page_seconds=10, worker_mb=500, workers=1), encoder, 1)
    yield opened
    opened.close()


def read_pages(pipeline: Pipeline, path: Path) -> list[tuple[str, str | None]]:
    """Text and problem of each page that is read, while this process stays small."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, pages, _ = pipeline.read_blocks(path, Silent())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
    return [(page.text, page.problem) for page in pages]


def word_file(path: Path, extra: dict[str, bytes], body: bytes = b"") -> None:
    """A Word file of one paragraph, with other things in its body and beside it."""
    out = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("多数受访银行表示，金融科技人才短缺。")
    document.save(out)
    with zipfile.ZipFile(out) as sound, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sound.namelist():
            content = sound.read(name)
            archive.writestr(name, content.replace(b"<w:body>", b"<w:body>" + body, 1) if name == MAIN else content)
        for name, content in extra.items():
            archive.writestr(name, content)


MAIN = "word/document.xml"
ZEROS = 100 << 20


def flat_bomb(path: Path) -> None:
    """A hundred entries that are one and the same 100 MB: 10 GB in 100 kB."""
    word_file(path, {"word/media/0.bin": b"\0" * ZEROS})
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.getinfo("word/media/0.bin")
        for number in range(1, 100):
            same = copy(first)
            same.filename = f"word/media/{number}.bin"
            archive.filelist.append(same)
        archive._didModify = True  # so that the directory is written


def test_a_flat_zip_bomb_is_refused_by_what_it_says_of_itself(pipeline: Pipeline, tmp_path: Path) -> None:
    flat_bomb(tmp_path / "flat.docx")
    assert (tmp_path / "flat.docx").stat().st_size < 300_000
    with pytest.raises(UnreadableFile, match="unpacks to 10000 MB, over the limit of 500 MB"):
        read_pages(pipeline, tmp_path / "flat.docx")


def test_a_zip_bomb_that_lies_about_its_size_unpacks_no_further(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "lying.docx"
    word_file(path, {}, b" " * ZEROS)
    size = zipfile.ZipFile(path).getinfo(MAIN).file_size
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", size), struct.pack("<I", 5000)))
    with pytest.raises(UnreadableFile, match="broken Word file: BadZipFile"):
        read_pages(pipeline, path)


def test_a_nested_zip_bomb_is_never_opened(pipeline: Pipeline, tmp_path: Path) -> None:
    flat_bomb(tmp_path / "inner.docx")
    inner = (tmp_path / "inner.docx").read_bytes()
    word_file(tmp_path / "nested.docx", {"word/embeddings/inner.docx": inner, "word/embeddings/inner.zip": inner})
    assert "人才短缺" in read_pages(pipeline, tmp_path / "nested.docx")[0][0]


def test_a_word_file_with_too_much_text_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    word_file(tmp_path / "big.docx", {}, b"<w:p/>" * (ZEROS // 6))
    with pytest.raises(UnreadableFile, match="has 100 MB of text with its marks, over the limit of 50 MB; split it"):
        read_pages(pipeline, tmp_path / "big.docx")


def test_a_word_file_that_takes_more_than_memory_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    word_file(tmp_path / "big.docx", {}, b"<w:p/>" * (ZEROS // 13))
    with pytest.raises(UnreadableFile, match=r"KB_WORKER_MB|broken Word file"):
        read_pages(pipeline, tmp_path / "big.docx")


def test_entities_of_xml_are_not_expanded(pipeline: Pipeline, tmp_path: Path) -> None:
    word_file(tmp_path / "laughs.docx", {})
    with zipfile.ZipFile(tmp_path / "laughs.docx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    secret = tmp_path / "secret.txt"
    secret.write_text("geheim")
    doctype = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}<!ENTITY file SYSTEM "{secret.as_uri()}">]>'
    start = parts[MAIN].index(b"<w:document")
    body = parts[MAIN][start:].replace("多数".encode(), "多数&a11;&file;".encode())
    with zipfile.ZipFile(tmp_path / "laughs.docx", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, parts[MAIN][:start] + doctype.encode() + body if name == MAIN else content)
    try:
        text = read_pages(pipeline, tmp_path / "laughs.docx")[0][0]
    except UnreadableFile as error:
        assert "geheim" not in str(error)
    else:
        assert "geheim" not in text and "haha" not in text


def packed(count: int, times: int = 1) -> bytes:
    """So many zeros, packed by zlib, once or several times."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)) + packer.flush()
    for _ in range(times - 1):
        body = zlib.compress(body, 9)
    return body


def picture_bomb(path: Path, kind: str) -> None:
    """A page of text over a picture that unpacks to far more than it should."""
    side = {"flate": 30_000, "inner": 30_000, "jpeg": 65_500, "jbig2": 60_000, "jpx": 60_000, "mask": 30_000}[kind]
    head = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray" % (side, side)
    flate = head + b" /BitsPerComponent 8 /Filter /FlateDecode"
    small = b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources <</XObject <</I 6 0 R>>>>"
    frame = b"\xff\xd8\xff\xc0\x00\x0b\x08" + struct.pack(">HH", side, side) + b"\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\0" * 1000 + b"\xff\xd9"
    page_of_jbig2 = b"\0\0\0\0\x30\0\x01\0\0\0\x13" + struct.pack(">IIII", side, side, 0, 0) + b"\0\0\0"
    box = struct.pack(">I4sIIHBBBB", 22, b"ihdr", side, side, 1, 7, 7, 0, 0)
    jpx = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 " + struct.pack(">I", 30) + b"jp2h" + box
    picture = {
        "flate": lambda: pdfs.stream(flate, packed(side * side)),
        "inner": lambda: pdfs.stream(form, b"595 0 0 842 0 0 cm /I Do"),
        "jpeg": lambda: pdfs.stream(head + b" /BitsPerComponent 8 /Filter /DCTDecode", frame + scan),
        "jbig2": lambda: pdfs.stream(head + b" /BitsPerComponent 1 /Filter /JBIG2Decode", page_of_jbig2),
        "jpx": lambda: pdfs.stream(head + b" /Filter /JPXDecode", jpx),
        "mask": lambda: pdfs.stream(small + b" /SMask 6 0 R", b"\0"),
    }[kind]()
    inner = pdfs.stream(flate, packed(side * side)) if kind in ("inner", "mask") else b"null"
    words = b"BT /F 12 Tf 72 700 Td (Report of the year: all of it is text that can be read, line by line.) Tj ET "
    pdfs.bare_pdf(
        path,
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources <</XObject <</I 5 0 R>> /Font <</F 7 0 R>>>>>>",
        pdfs.stream(b"", words + b"q 595 0 0 842 0 0 cm /I Do Q"),
        picture,
        inner,
        b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>",
    )


KINDS = ["flate", "inner", "jpeg", "jbig2", "jpx", "mask"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_bomb_costs_no_text(pipeline: Pipeline, tmp_path: Path, kind: str) -> None:
    picture_bomb(tmp_path / "bomb.pdf", kind)
    assert (tmp_path / "bomb.pdf").stat().st_size < 2 << 20
    [(text, _)] = read_pages(pipeline, tmp_path / "bomb.pdf")
    assert "all of it is text" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_bomb_is_drawn_within_limits_or_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb.pdf"
    picture_bomb(path, kind)
    document = replace(BARE, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), path=str(path))
    limits = Settings(page_seconds=10, worker_mb=500, cache=tmp_path)
    with Pictures(limits) as pictures:
        try:
            drawn = pictures.picture(View(document, 1, (595, 842), 1.0, Marks()))
        except UnreadableFile as error:
            assert "cannot be drawn" in str(error) and str(tmp_path) not in str(error)
        else:
            assert Image.open(io.BytesIO(drawn)).size == (595, 842)


BARE = Document("0" * 16, "", "", "bomb.pdf", "", "", None, "", 1, "")


def test_a_page_whose_content_unpacks_to_gigabytes_is_lost_alone(pipeline: Pipeline, tmp_path: Path) -> None:
    content = b"<</Filter [/FlateDecode /FlateDecode] /Length %d>>\nstream\n%s\nendstream"
    body = packed(1 << 30, 2)
    sound = pdfs.stream(b"", b"BT /F 12 Tf 72 700 Td (This page is sound and says what it has to say.) Tj ET")
    page = b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources <</Font <</F 7 0 R>>>>>>"
    pdfs.bare_pdf(
        tmp_path / "content.pdf",
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R 4 0 R] /Count 2>>",
        page % 5,
        page % 6,
        content % (len(body), body),
        sound,
        b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>",
    )
    assert (tmp_path / "content.pdf").stat().st_size < 20_000
    (_, problem), (text, _) = read_pages(pipeline, tmp_path / "content.pdf")
    assert problem and "This page is sound" in text
