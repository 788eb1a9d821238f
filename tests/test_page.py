"""The page in headless Chromium against a running server: ask, read, expand, filter, go back, and what goes wrong."""

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from api.app import create_app
from api.schemas import QUESTION
from kb.settings import Settings

CHROMIUM = os.environ.get("KB_CHROMIUM") or shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: none on the path, and KB_CHROMIUM is not set")


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """A server on a free port of this machine, and its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(settings), log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        give_up = time.monotonic() + 30
        while not server.started and time.monotonic() < give_up:
            time.sleep(0.02)
        assert server.started
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


expect.set_options(timeout=30_000)
"""Milliseconds: on a busy machine a first question waits for the encoder."""


@pytest.fixture(scope="module")
def address(library_settings: Settings) -> Iterator[str]:
    with serving(library_settings) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console says; a test that expects a failed request clears it."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    opened = browser.new_page()
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: None if "://127.0.0.1:" in asked.url else complaints.append(asked.url))
    yield opened
    opened.close()
    assert complaints == []


def test_a_question_is_answered_by_bank(page: Page, address: str) -> None:
    page.goto(address)
    box = page.get_by_label("问题")
    expect(box).to_have_attribute("placeholder", QUESTION)
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.locator(".bank h2").first).to_contain_text("银行")
    expect(page).to_have_url(f"{address}/?q={quote(QUESTION)}")
    expect(page).to_have_title(f"{QUESTION} · kb")
    expect(page.get_by_role("status")).to_contain_text("份报告")
    expect(page.get_by_role("status")).to_contain_text("家银行")
    expect(page.locator(".citation").first).to_contain_text("》")
    for point in page.locator(".point").all():
        passage = httpx.get(address + (point.get_by_role("link", name="链接").get_attribute("href") or "")).json()
        assert point.locator("blockquote p").text_content() in passage["text"]
        assert f"《{passage['doc']['title']}》" in point.locator(".citation").inner_text()
        assert passage["dimension"] in point.locator(".tags").inner_text()


def test_every_bank_has_its_own_quotes(page: Page, address: str) -> None:
    page.goto(f"{address}/?q={quote(QUESTION)}")
    page.locator(".bank").first.wait_for()
    shown = {
        name: group.locator("blockquote").all_text_contents()
        for group in page.locator(".bank").all()
        for name in group.locator("h2 span").all_text_contents()
    }
    answer = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()
    assert shown == {
        entry["bank"] or "行业整体": [point["quote"] for point in entry["points"]] for entry in answer["banks"]
    }


def test_banks_that_share_their_quotes_share_a_heading(page: Page, address: str) -> None:
    found = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()
    point = found["banks"][0]["points"][0]
    found["banks"] = [{"bank": name, "points": [point]} for name in ("甲银行", "乙银行")]
    found["banks"].append({"bank": "丙银行", "points": [point | {"quote": point["quote"][:9]}]})
    page.route("**/v1/ask?*", lambda route: route.fulfill(json=found))
    page.goto(f"{address}/?q={quote(QUESTION)}")
    page.locator(".bank").first.wait_for()
    groups = [heading.locator("span").all_text_contents() for heading in page.locator(".bank h2").all()]
    assert groups == [["甲银行", "乙银行"], ["丙银行"]]


def test_a_point_expands_to_its_passage_and_back(page: Page, address: str) -> None:
    page.goto(f"{address}/?q={quote(QUESTION)}")
    point = page.locator(".point").first
    said = point.locator("blockquote").text_content() or ""
    href = point.get_by_role("link", name="链接").get_attribute("href") or ""
    point.get_by_role("button", name="展开").click()
    expect(point.locator("mark")).to_have_text(said)
    assert point.locator("blockquote").text_content() == httpx.get(address + href).json()["text"]
    point.get_by_role("button", name="收起").click()
    expect(point.locator("mark")).to_have_count(0)
    assert point.locator("blockquote").text_content() == said


def test_topics_are_shown_by_their_labels(page: Page, address: str) -> None:
    page.goto(f"{address}/?q={quote(QUESTION)}")
    label = {t["id"]: t["label"] for t in httpx.get(f"{address}/v1/taxonomy").json()["topics"]}["talent"]
    expect(page.locator(".tags", has_text=label).first).to_be_visible()


def test_the_example_is_a_click_away_and_back_returns(page: Page, address: str) -> None:
    page.goto(address)
    page.locator("#reports li").first.wait_for()
    page.get_by_role("link", name=QUESTION).click()
    expect(page.locator(".bank").first).to_be_visible()
    expect(page.locator("#welcome")).to_be_hidden()
    page.go_back()
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator(".bank")).to_have_count(0)
    page.go_forward()
    expect(page.locator(".bank").first).to_be_visible()
    expect(page.get_by_label("问题")).to_have_value(QUESTION)


def test_filters_narrow_the_answer_and_stay_in_the_address(page: Page, address: str) -> None:
    page.goto(f"{address}/?q={quote('人才')}")
    expect(page.locator(".bank").first).to_be_visible()
    page.get_by_label("维度").select_option("组织")
    page.get_by_label("年份").select_option("2021")
    expect(page).to_have_url(f"{address}/?q={quote('人才')}&dimension={quote('组织')}&year=2021")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".tags b").first).to_have_text("组织")
    assert set(page.locator(".tags b").all_inner_texts()) == {"组织"}
    assert all("2021" in text for text in page.locator(".citation").all_inner_texts())
    page.reload()
    expect(page.get_by_label("年份")).to_have_value("2021")
    page.get_by_role("button", name="清除条件").click()
    expect(page).to_have_url(f"{address}/?q={quote('人才')}")


def test_an_empty_question_shows_a_message(page: Page, address: str) -> None:
    page.goto(address)
    page.locator("#reports li").first.wait_for()
    page.get_by_role("button", name="检索").click()
    expect(page.get_by_role("status")).to_contain_text("请先写下问题")
    expect(page.get_by_label("问题")).to_have_attribute("aria-invalid", "true")
    expect(page).to_have_url(f"{address}/")


def test_a_problem_is_shown_with_its_detail(page: Page, address: str, complaints: list[str]) -> None:
    page.goto(f"{address}/?q={quote('人才')}&bank={quote('无此银行')}")
    expect(page.get_by_role("status")).to_contain_text("不认识的名称")
    expect(page.get_by_role("status")).to_contain_text("无此银行")
    assert ["422" in said for said in complaints] == [True]
    complaints.clear()


def test_a_question_without_evidence_shows_the_nearest(browser: Browser, library_settings: Settings) -> None:
    strict = library_settings.model_copy(update={"abstain_below": 1.1})
    with serving(strict) as address, browser.new_page() as page:
        page.goto(f"{address}/?q={quote(QUESTION)}")
        expect(page.get_by_role("heading", name="语料中未找到直接依据")).to_be_visible()
        expect(page.locator(".point")).to_have_count(3)


def test_no_index_is_said(browser: Browser, library_settings: Settings) -> None:
    missing = library_settings.model_copy(update={"index": library_settings.index / "none"})
    with serving(missing) as address, browser.new_page() as page:
        page.goto(address)
        expect(page.get_by_role("status")).to_contain_text("还没有索引")


def test_text_from_outside_stays_text(page: Page, address: str) -> None:
    hostile = "<img src=x onerror=alert(1)> 人才 <script>alert(2)</script>"

    def answer(route: object) -> None:
        found = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()
        for entry in found["banks"]:
            entry["bank"] = hostile
            for point in entry["points"]:
                point |= {"quote": hostile, "heading": [hostile], "topics": [hostile], "role": hostile}
                point["citation"] |= {"title": hostile, "publisher": hostile}
        route.fulfill(json=found)  # type: ignore[attr-defined]

    page.route("**/v1/ask?*", answer)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"{address}/?q={quote(hostile)}")
    expect(page.locator(".point").first).to_contain_text("onerror=alert(1)")
    assert page.locator("#results img, #results script").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path in (f"/?q={quote(QUESTION)}", "/docs"):
        page.goto(address + path)
        page.locator(".point, .schema").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_documentation_shows_and_tries_every_endpoint(page: Page, address: str) -> None:
    page.goto(f"{address}/docs")
    expect(page.locator(".schema").first).to_be_visible()
    paths = httpx.get(f"{address}/openapi.json").json()["paths"]
    operations = [path for path, methods in paths.items() for _ in methods]
    assert page.locator(".endpoint h2 code").all_inner_texts() == operations
    asking = page.locator("#ask")
    asking.get_by_role("button", name="Try it").click()
    expect(asking.locator("form pre")).to_contain_text('"coverage"')
    found = httpx.get(f"{address}/v1/search", params={"q": QUESTION, "top": 1}).json()["results"][0]["passage_id"]
    quoting = page.locator("#quotes")
    quoting.get_by_label("QuoteRequest").fill(json.dumps({"quotes": [{"passage_id": found}], "format": "gbt7714"}))
    quoting.get_by_role("button", name="Try it").click()
    expect(quoting.locator("form pre")).to_contain_text("[R]")


def check_pictures(page: Page) -> None:
    """The pictures of pages are loaded, and no drawings of broken ones."""
    for picture in page.locator("figure.page img").all():
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("(image) => image.naturalWidth") > 300


def test_a_permanent_link_shows_the_passage_on_its_page(page: Page, address: str) -> None:
    point = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()["banks"][0]["points"][0]
    passage = httpx.get(f"{address}/v1/passages/{point['passage_id']}").json()
    page.goto(f"{address}/p/{point['passage_id']}")
    expect(page).to_have_url(f"{address}/?passage={point['passage_id']}")
    expect(page.locator("blockquote .passage")).to_have_text(passage["text"], use_inner_text=False)
    expect(page.locator(".citation")).to_contain_text(f"《{passage['doc']['title']}》")
    pictures = page.locator("figure.page img")
    expect(pictures).to_have_count(len(passage["pages"]))
    check_pictures(page)
    expect(page.locator(".replaced")).to_have_count(0)
    expect(page.locator("#welcome")).to_be_hidden()


def test_a_replaced_passage_is_marked_and_leads_to_its_successor(page: Page, address: str) -> None:
    point = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()["banks"][0]["points"][0]
    passage = httpx.get(f"{address}/v1/passages/{point['passage_id']}").json()
    later = {"passage_id": point["passage_id"], "doc": passage["doc"], "pages": [5], "similarity": 0.912}
    replaced = passage | {"status": "superseded", "successor": later, "passage_id": "old"}
    page.route("**/v1/passages/old", lambda route: route.fulfill(json=replaced))
    page.route("**/pages/*.png?passage=old", lambda route: route.fulfill(path="docs/page.png"))
    page.goto(f"{address}/?passage=old")
    expect(page.locator(".replaced")).to_contain_text("第 5 页，相似度 0.91")
    page.locator(".replaced a").click()
    expect(page).to_have_url(f"{address}/?passage={point['passage_id']}")
    expect(page.locator(".replaced")).to_have_count(0)
    check_pictures(page)


def test_a_page_without_picture_says_why(page: Page, address: str, complaints: list[str]) -> None:
    passage = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()["banks"][0]["points"][0]["passage_id"]
    wrong = {"type": "urn:kb:problem:file-changed", "title": "File changed", "status": 409, "detail": "文件已变"}
    page.route("**/pages/*.png?*", lambda route: route.fulfill(status=409, json=wrong))
    page.goto(f"{address}/p/{passage}")
    expect(page.locator("figure.page .note").first).to_have_text("文件已变")
    assert all("409" in said for said in complaints)
    complaints.clear()
    page.goto(f"{address}/?passage=none")
    expect(page.get_by_role("status")).to_contain_text("找不到")
    complaints.clear()
