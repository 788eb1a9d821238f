"""The page in headless Chromium against a running server: the days of an analyst, a writer and a librarian."""

import base64
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import docx
import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright
from pybtex.database import parse_string

from api.app import create_app
from api.schemas import QUESTION
from kb.keys import KeyRing, Role
from kb.settings import Settings
from tests import pdfs
from tests.conftest import copy_index

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

LOANS = "小微贷款线上审批"
"""Another question that the sample corpus answers."""

NO_ANSWER = "火星上怎样种植土豆"


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
def writable(library_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose index is a copy: for all tests that write."""
    folder = tmp_path_factory.mktemp("writable")
    own = copy_index(library_settings, folder).model_copy(update={"overrides": folder / "overrides.toml"})
    with serving(own) as found:
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
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: None if local(asked.url) else complaints.append(asked.url))
    yield opened
    opened.close()
    assert complaints == []


def local(url: str) -> bool:
    """Whether a request stays on this machine; what is made up for a download is in the page itself."""
    return url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:"))


def at(address: str, path: str = "/", **parameters: object) -> str:
    """An address with parameters as the page writes them."""
    return f"{address}{path}?{urlencode(parameters, doseq=True)}" if parameters else address + path


def asked(page: Page) -> dict[str, list[str]]:
    """The parameters of the address that the page is at."""
    return parse_qs(urlsplit(page.url).query)


def open_answer(page: Page, address: str, question: str = QUESTION, **filters: object) -> None:
    """Go to a question, and wait for what is loaded behind its answer."""
    page.goto(at(address, q=question, **filters))
    whole(page)


def whole(page: Page) -> None:
    """Wait for the excerpts below an answer."""
    expect(page.locator("#excerpts:not([aria-busy])")).to_be_visible()


def check_picture(page: Page, passage: str) -> None:
    """The picture of the page is loaded, and is the one with the passage marked."""
    picture = page.locator("#evidence figure.page img")
    expect(picture).to_have_attribute("src", re.compile(f"passage={passage}"))
    loaded = "(image) => image.decode().then(() => image.naturalWidth)"
    assert picture.evaluate(loaded) > 300


def first_point(address: str) -> dict[str, object]:
    """The first point of the answer, as the API has it."""
    found: dict[str, object] = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()["banks"][0]["points"][0]
    return found


# the analyst


def test_a_question_is_answered_by_bank_and_narrowed_by_facets(page: Page, address: str) -> None:
    page.goto(address)
    box = page.get_by_label("问题")
    expect(box).to_be_focused()
    expect(box).to_have_attribute("placeholder", QUESTION)
    box.fill(QUESTION)
    box.press("Enter")
    expect(page).to_have_url(at(address, q=QUESTION))
    expect(page).to_have_title(f"{QUESTION} · kb")
    expect(page.locator("#status")).to_contain_text("份报告")
    groups = [
        (group.locator("h2").inner_text().split(" · "), group.locator("blockquote p").all_text_contents())
        for group in page.locator(".found > .bank").all()
    ]
    shown = {name: quotes for names, quotes in groups for name in names}
    answer = httpx.get(f"{address}/v1/ask", params={"q": QUESTION}).json()
    assert shown == {one["bank"] or "行业整体": [point["quote"] for point in one["points"]] for one in answer["banks"]}
    assert "人才" in page.locator(".found mark").all_inner_texts()

    whole(page)
    expect(page.locator("#facets .facet")).to_have_count(5)
    choice = page.locator(".facet-dimension a").first
    count, dimension = int(choice.locator("b").inner_text()), choice.locator("span").inner_text()
    choice.click()
    expect(page).to_have_url(at(address, q=QUESTION, dimension=dimension))
    expect(page.locator("#excerpts h2").first).to_have_text(f"全部摘录 {count} 条")
    assert page.locator("//*[@id='excerpts']/article[count(preceding-sibling::h2)=1]").count() == count
    assert set(page.locator("#excerpts .side").all_inner_texts()) == {dimension}
    expect(page.locator(".facet-dimension a[aria-current] span")).to_have_text(dimension)
    page.get_by_role("link", name=f"按 {dimension}").click()
    expect(page).to_have_url(at(address, q=QUESTION))
    chip = page.locator(".found > .bank .excerpt .chips a").last
    chip.click()
    expect(page).to_have_url(re.compile("topic="))
    assert set(asked(page)) == {"q", "topic"}
    expect(page.locator(".chips.set li")).to_have_count(1)


def test_an_excerpt_opens_on_its_page_by_keyboard_and_the_link_shows_the_same(
    page: Page, browser: Browser, address: str
) -> None:
    open_answer(page, address)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    chosen = page.locator(".found .excerpt").first
    expect(chosen).to_be_focused()
    passage = chosen.get_attribute("data-passage") or ""
    page.keyboard.press("Enter")
    panel = page.locator("#evidence")
    expect(panel).to_be_visible()
    expect(panel.locator("blockquote .best")).to_have_text(chosen.get_attribute("data-quote") or "")
    assert asked(page)["passage"] == [passage]
    check_picture(page, passage)
    stored = httpx.get(f"{address}/v1/passages/{passage}").json()
    expect(panel.locator("blockquote.passage")).to_have_text(stored["text"])
    expect(panel.locator("header .source")).to_contain_text(f"《{stored['doc']['title']}》")
    expect(panel.locator("p.heading")).to_have_text(" › ".join(stored["heading"]))

    why = panel.locator("details.why")
    expect(why.get_by_text("为何命中")).to_be_visible()
    words = why.locator("dl div", has_text="用词").locator("dd").inner_text().split("、")
    assert words and all(word in stored["text"] for word in words)
    expect(why.locator("dl")).to_contain_text(re.compile(r"全段 0\.\d{3}，最佳句 0\.\d{3}"))
    expect(why.locator(".reasons tr", has_text=f"维度 {stored['dimension']}")).to_contain_text(
        re.compile(r"\d+%(?s:.*)“")
    )

    here = stored["pages"][0]
    page.keyboard.press("]")
    expect(panel.locator(".pages")).to_contain_text(f"第 {here + 1} 页")
    page.keyboard.press("[")
    expect(panel.locator(".pages")).to_contain_text(f"第 {here} 页")
    page.keyboard.press("]")
    expect(panel.locator(".pages")).to_contain_text(f"第 {here + 1} 页")
    with browser.new_context(viewport={"width": 1280, "height": 900}) as elsewhere:
        shared = elsewhere.new_page()
        shared.goto(page.url)
        whole(shared)
        expect(shared.locator("#evidence .pages")).to_contain_text(f"第 {here + 1} 页")
        expect(shared.locator(".excerpt.current").first).to_have_attribute("data-passage", passage)
        assert shared.locator("#evidence").inner_text() == panel.inner_text()
    page.go_back()
    expect(panel.locator(".pages")).to_contain_text(f"第 {here} 页")
    panel.locator(".beside a").first.click()
    expect(panel.locator("article")).not_to_have_attribute("data-passage", passage)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page).to_have_url(at(address, q=QUESTION))
    while "passage" not in asked(page):
        page.go_back()
    expect(panel).to_be_visible()


def test_the_panel_shows_the_passage_chosen_last_whichever_comes_last(page: Page, address: str) -> None:
    open_answer(page, address)
    held: list[Route] = []
    page.route("**/evidence/*", lambda route: route.continue_() if held else held.append(route))
    links = page.locator(".found .excerpt a.open")
    first, last = (links.nth(at).get_attribute("href") or "" for at in (0, -1))
    links.first.click()
    links.last.click()
    panel = page.locator("#evidence article")
    wanted = parse_qs(urlsplit(last).query)["passage"][0]
    assert wanted not in first
    expect(panel).to_have_attribute("data-passage", wanted)
    with page.expect_response("**/evidence/*") as late:
        held[0].continue_()
    late.value.finished()
    page.evaluate(
        "fetch('/healthz').then((answer) => answer.text())"
    )  # after which what came late is in place, if ever
    expect(panel).to_have_attribute("data-passage", wanted)
    assert asked(page)["passage"] == [wanted]


def test_from_the_grid_to_excerpts_a_bank_and_a_radar_of_three(page: Page, address: str) -> None:
    open_answer(page, address)
    page.get_by_role("link", name="在网格中看").click()
    expect(page).to_have_url(at(address, "/grid", q=QUESTION))
    expect(page.get_by_role("heading", level=1)).to_contain_text(QUESTION)
    expect(page.locator(".heat thead th")).to_have_count(8)
    row = page.locator(".heat tbody tr", has=page.locator("th a")).first
    bank, cell = row.locator("th").inner_text(), row.locator("td a", has_text=re.compile(r"^\d+$")).first
    assert (cell.get_attribute("aria-label") or "").startswith(bank)
    cell.click()
    expect(page.locator(".found > .bank h2").first).to_contain_text(bank)
    assert set(asked(page)) == {"q", "bank", "dimension"}
    whole(page)
    sides = page.locator(".found .excerpt .chips .side").all_inner_texts()
    assert set(sides) == set(asked(page)["dimension"])
    assert all(bank in (one.get_attribute("data-bank") or "") for one in page.locator(".found .excerpt").all())

    page.locator(".found > .bank h2 a").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(bank)
    known = httpx.get(f"{address}/v1/banks/{bank}").json()
    expect(page.locator(".radar .web")).to_have_count(1)
    expect(page.locator(".wide-view > .bank")).to_have_count(len(known["dimensions"]))
    expect(page.locator(".wide-view > .bank .excerpt").first).to_be_visible()
    page.get_by_role("link", name="与别家比较").click()
    expect(page.get_by_label(f"比较 {bank}", exact=True)).to_be_checked()
    for name in ("青岛农商银行", "北京银行"):
        page.get_by_label(f"比较 {name}", exact=True).check()
    page.get_by_role("button", name="比较", exact=True).click()
    expect(page.locator(".radar .web")).to_have_count(3)
    compared = page.get_by_role("region", name="比较")
    assert {name.strip() for name in compared.locator("tbody th").all_inner_texts()} == {
        bank,
        "青岛农商银行",
        "北京银行",
    }
    figures = {one["name"]: one["dimensions"] for one in httpx.get(f"{address}/v1/banks").json()["banks"]}
    drawn = compared.locator("tbody tr", has_text="北京银行").locator("td").all_inner_texts()
    assert [int(count) for count in drawn] == list(figures["北京银行"].values())
    page.go_back()
    expect(page.locator(".radar .web")).to_have_count(1)


def test_cases_are_narrowed_by_bank_and_years_by_topic(page: Page, address: str) -> None:
    page.goto(f"{address}/cases")
    total = httpx.get(f"{address}/v1/cases", params={"limit": 1}).json()["total"]
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{total} 个案例")
    expect(page.locator(".card")).to_have_count(20)
    page.get_by_role("link", name=re.compile("^后 20 条")).click()
    expect(page.locator(".pager span")).to_contain_text(f"第 21 至 {min(40, total)} 条")
    page.locator("#narrow [name=bank]").select_option("长沙银行")
    expect(page).to_have_url(at(address, "/cases", bank="长沙银行"))
    expect(page.get_by_role("heading", level=1)).to_have_text("2 个案例")
    assert all("长沙银行" in chips for chips in page.locator(".card .chips").all_inner_texts())
    assert {"背景", "措施", "效果"} & set(page.locator(".card dt").all_inner_texts())
    page.locator("#narrow [name=year]").select_option("2018")
    expect(page.get_by_role("alert")).to_contain_text("没有案例符合这些条件")
    page.goto(f"{address}/grid")
    page.get_by_role("link", name="主题 × 年份").click()
    expect(page.locator(".heat thead th").nth(1)).to_have_text(re.compile(r"^20\d\d$"))
    expect(page.get_by_role("link", name="CSV")).to_have_attribute("download", "matrix.csv")


def test_banks_topics_and_earlier_questions_are_suggested(page: Page, address: str) -> None:
    page.goto(at(address, q=LOANS))
    box, options = page.get_by_label("问题"), page.get_by_role("option")
    page.keyboard.press("/")
    expect(box).to_be_focused()
    box.fill("青农商")
    expect(options.first).to_contain_text("青岛农商银行")
    box.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", options.first.get_attribute("id") or "")
    box.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("青岛农商银行")
    box.fill(LOANS[:4])
    earlier = options.filter(has_text="问过")
    expect(earlier).to_contain_text(LOANS)
    earlier.click()
    expect(page).to_have_url(at(address, q=LOANS))
    expect(page.locator(".found > .bank").first).to_be_visible()
    label = httpx.get(f"{address}/v1/taxonomy").json()["topics"][0]["label"]
    box.fill(label)
    expect(options.filter(has_text="主题").first).to_contain_text(label)
    box.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.goto(address)
    expect(page.locator("#earlier a").first).to_have_text(label if label == LOANS else LOANS)


# the writer


def basket_quotes(page: Page) -> list[str]:
    """The quotes in the basket, from above."""
    return page.locator("#basket-items blockquote").all_inner_texts()


def choose_format(page: Page, name: str, shows: str) -> str:
    """Choose a format of the basket, and give its preview once it shows something of that format."""
    page.get_by_label("格式").select_option(name)
    expect(page.locator("#basket-preview")).to_contain_text(shows)
    return page.locator("#basket-preview").inner_text()


def test_quotes_of_two_searches_are_ordered_noted_and_given_out(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    open_answer(page, address)
    page.locator(".found .excerpt").first.get_by_role("button", name="摘录").click()
    expect(page.locator("#basket-count")).to_have_text("1")
    expect(page.locator(".found .excerpt .take").first).to_have_attribute("aria-pressed", "true")
    open_answer(page, address, LOANS)
    taken = page.locator(".found .excerpt").first
    page.keyboard.press("j")
    page.keyboard.press("q")
    expect(taken.locator(".take")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("j")
    page.keyboard.press("q")
    page.keyboard.press("b")
    first, second, third = quotes = basket_quotes(page)
    assert second == (taken.get_attribute("data-quote") or "").strip()

    items = page.locator("#basket-items li")
    items.nth(2).get_by_role("button", name="上移").click()
    assert basket_quotes(page) == [first, third, second]
    items.nth(0).drag_to(items.nth(2), source_position={"x": 40, "y": 20})
    assert basket_quotes(page) == [third, second, first]
    items.nth(0).get_by_label("笔记").fill("放进第三章")
    items.nth(0).get_by_label("笔记").blur()
    page.reload()
    page.get_by_role("button", name="摘录篮 3").click()
    assert basket_quotes(page) == [third, second, first]
    expect(items.nth(0).get_by_label("笔记")).to_have_value("放进第三章")

    source = page.locator("#basket-items .line > span").first.inner_text()
    title = re.findall("《(.+?)》", source)[0]
    plain = choose_format(page, "txt", "放进第三章")
    for words in (*quotes, title, "第 "):
        assert "".join(words.split()) in "".join(plain.split())
    page.get_by_role("button", name="复制").click()
    expect(page.locator("#told")).to_have_text("已复制")
    assert page.evaluate("navigator.clipboard.readText()").strip() == plain.strip()
    assert re.search(r"\[R\]", choose_format(page, "gbt7714", "[R]"))
    entries = parse_string(choose_format(page, "bibtex", "@"), "bibtex").entries
    assert title in {entry.fields["title"].strip("{}") for entry in entries.values()}
    assert "放进第三章" in choose_format(page, "md", "[^1]")

    page.get_by_label("格式").select_option("docx")
    with page.expect_download() as download:
        page.get_by_role("button", name="下载").click()
    assert download.value.suggested_filename.endswith(".docx")
    text = "\n".join(one.text for one in docx.Document(str(download.value.path())).paragraphs)
    for words in (*quotes, "放进第三章", title, "参考文献"):
        assert "".join(words.split()) in "".join(text.split())

    page.once("dialog", lambda asked: asked.dismiss())  # it has a note
    items.nth(0).get_by_role("button", name="取出").click()
    assert basket_quotes(page) == [third, second, first]
    page.once("dialog", lambda asked: asked.accept())
    items.nth(0).get_by_role("button", name="取出").click()
    assert basket_quotes(page) == [second, first]
    expect(page.locator("#basket-count")).to_have_text("2")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="清空").click()
    expect(page.locator("#basket-empty")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#basket")).to_be_hidden()
    assert page.locator(".take[aria-pressed=true]").count() == 0
    page.locator(".found .excerpt").first.get_by_role("button", name="引用").click()
    expect(page.locator("#told")).to_contain_text("引用已复制")
    assert "[R]" in page.evaluate("navigator.clipboard.readText()")


# the librarian

BOATS = "一、渔船授信\n\n威海银行把渔船的北斗轨迹用于授信，按出海天数给出额度。\n\n二、冷库质押\n\n{}\n"
BOATS_QUESTION = "渔船的北斗轨迹怎样用于授信"
BAMBOO = "安吉农商银行用毛竹的碳汇计量给林农发放贷款，计量由卫星影像完成。"


def drop(page: Page, path: Path) -> None:
    """Let a file fall onto the page."""
    made = """([name, data]) => {
        const held = new DataTransfer();
        held.items.add(new File([Uint8Array.from(atob(data), (char) => char.charCodeAt(0))], name));
        return held;
    }"""
    held = page.evaluate_handle(made, [path.name, base64.b64encode(path.read_bytes()).decode()])
    page.dispatch_event("#drop", "dragover", {"dataTransfer": held})
    expect(page.locator("#drop")).to_have_class(re.compile("over"))
    page.dispatch_event("#drop", "drop", {"dataTransfer": held})


def job(page: Page, *words: str) -> Locator:
    """The latest job that tells of something."""
    found = page.locator("#jobs li")
    for each in words:
        found = found.filter(has_text=each)
    return found.first


def answer_dialog(page: Page, accept: bool, act: Callable[[], None]) -> str:
    """Do what asks for confirmation, and answer it; its words."""
    said: list[str] = []

    def answer(dialog: object) -> None:
        said.append(dialog.message)  # type: ignore[attr-defined]
        dialog.accept() if accept else dialog.dismiss()  # type: ignore[attr-defined]

    page.once("dialog", answer)
    act()
    return "".join(said)


def test_a_report_is_uploaded_found_reread_replaced_and_removed(page: Page, writable: str, tmp_path: Path) -> None:
    text, sheet = tmp_path / "渔船信贷.txt", pdfs.Sheet(tmp_path / "碳汇.pdf")
    text.write_text(BOATS.format("冷库存货按日盯市。"), encoding="utf-8")
    sheet.text(72, 90, 441, BAMBOO)
    sheet.text(72, 300, 441, pdfs.prose(1, 200))
    sheet.save()
    page.goto(f"{writable}/library")
    expect(page.locator("#no-jobs")).to_be_visible()
    page.evaluate(
        """() => {
        window.seen = [];
        new MutationObserver(() => document.querySelectorAll("#jobs li").forEach((one) =>
          window.seen.push(one.className + (one.querySelector("progress") ? " with progress" : ""))
        )).observe(document.getElementById("jobs"), { childList: true });
        }"""
    )
    page.locator("#drop input[type=file]").set_input_files(text)
    expect(job(page, "渔船信贷", "收录 · 完成")).to_contain_text(
        re.compile(r"新收录.*（新 \d+ 段）.*新银行：.*威海银行")
    )
    rows = page.locator("#reports tbody tr")
    expect(rows).to_have_count(5)
    drop(page, tmp_path / "碳汇.pdf")
    expect(job(page, "碳汇", "收录 · 完成")).to_contain_text("新收录")
    expect(rows).to_have_count(6)
    assert "running with progress" in page.evaluate("window.seen")  # and the page was not loaded anew meanwhile

    box = page.get_by_label("问题")
    box.fill(BOATS_QUESTION)
    box.press("Enter")
    hit = page.locator(".found .excerpt").first
    expect(hit).to_contain_text("北斗轨迹")
    expect(hit).to_have_attribute("data-source", re.compile("渔船信贷"))
    whole(page)
    old = at(writable, passage=hit.get_attribute("data-passage") or "")
    page.goto(old)
    expect(page.locator("#evidence figure")).to_have_count(0)  # a text has no pictures of pages
    expect(page.locator("blockquote.passage")).to_contain_text("北斗轨迹")

    page.get_by_role("navigation", name="视图").get_by_role("link", name="资料库").click()
    expect(page.locator("#jobs li.done")).to_have_count(2)
    rows.filter(has_text="碳汇").get_by_role("button", name="重读").click()
    expect(job(page, "碳汇", "重读")).to_contain_text("已重读")
    text.write_text(BOATS.format("冷库存货每周盘点两次。"), encoding="utf-8")
    page.locator("#drop input[type=file]").set_input_files(text)
    expect(job(page, "渔船信贷", "替换旧版")).to_be_visible()
    expect(rows).to_have_count(6)

    remove = rows.filter(has_text="碳汇").get_by_role("button", name="移除")
    assert "碳汇" in answer_dialog(page, False, remove.click)
    expect(page.locator("#jobs li")).to_have_count(4)
    answer_dialog(page, True, remove.click)
    expect(job(page, "碳汇", "移除 · 完成")).to_contain_text("已移除")
    expect(rows).to_have_count(5)
    page.reload()
    expect(page.locator("#jobs li.done")).to_have_count(5)
    expect(page.locator("#jobs li").first).to_contain_text("移除")

    page.goto(old)
    expect(page.locator(".replaced")).to_contain_text(re.compile(r"所在报告已有新版(?s:.*)相似度 1\.00"))
    page.locator(".replaced a").click()
    expect(page.locator(".replaced")).to_have_count(0)
    assert page.url != old


def test_a_tag_is_corrected_and_given_back(page: Page, writable: str, complaints: list[str]) -> None:
    passage = str(first_point(writable)["passage_id"])
    before = httpx.get(f"{writable}/v1/passages/{passage}").json()
    page.goto(at(writable, q=QUESTION, passage=passage))
    page.locator(".correct summary").click()
    form = page.locator(".correct form")
    dimension, banks = form.locator("[name=dimension]"), form.locator("[name=banks]")
    expect(dimension).to_have_value(before["dimension"])
    assert before["dimension"] != "生态"
    dimension.select_option("生态")
    banks.fill("没有的某某")
    form.get_by_role("button", name="保存").click()
    expect(form.get_by_role("status")).to_contain_text("没有的某某")
    complaints.clear()  # it was refused
    banks.fill("青岛银行、北京银行")
    form.get_by_role("button", name="保存").click()
    expect(page.locator("#told")).to_have_text("标签已更正")
    expect(page.locator("#evidence .chips").first).to_contain_text("北京银行")
    expect(page.locator("#evidence .chips .side")).to_have_text("生态")
    expect(page.locator("#evidence .why")).to_contain_text("人工更正")
    after = httpx.get(f"{writable}/v1/passages/{passage}").json()
    assert (after["dimension"], set(after["banks"])) == ("生态", {"青岛银行", "北京银行"})
    assert (after["topics"], after["role"]) == (before["topics"], before["role"])
    page.locator(".correct summary").click()
    page.locator(".correct").get_by_role("button", name="恢复自动标签").click()
    expect(page.locator("#evidence .chips .side")).to_have_text(before["dimension"])
    assert httpx.get(f"{writable}/v1/passages/{passage}").json()["banks"] == before["banks"]


# what goes wrong, and what helps


def test_what_cannot_be_shown_is_said(page: Page, address: str, complaints: list[str]) -> None:
    page.goto(address)
    page.get_by_role("button", name="检索").click()
    expect(page.locator("#told")).to_contain_text("请先写下问题")
    expect(page.get_by_label("问题")).to_have_attribute("aria-invalid", "true")
    expect(page).to_have_url(f"{address}/")
    page.goto(at(address, q=NO_ANSWER))
    expect(page.get_by_role("heading", name="语料中未找到直接依据")).to_be_visible()
    expect(page.locator(".found .excerpt")).to_have_count(3)
    assert complaints == []
    for path, kind, detail in (
        (at("", q="人才", bank="无此银行"), "unknown-name", "无此银行"),
        (at("", q="人才", banks="无此银行"), "unknown-name", "'banks'"),
        (at("", bank="西安银行", dimension="生态"), "nothing-matches", ""),
        (at("", passage="0000000000000000"), "not-found", "0000000000000000"),
        ("/banks/" + "无此银行", "unknown-name", "无此银行"),
        ("/nowhere", "blank", "/docs"),
    ):
        page.goto(address + path)
        expect(page.locator(".problem")).to_have_attribute("data-kind", kind)
        expect(page.get_by_role("alert")).to_contain_text(detail)
        assert page.locator(".excerpt").count() == 0
    assert all("422" in said or "404" in said for said in complaints)
    complaints.clear()


def test_a_page_without_picture_says_why(page: Page, address: str, complaints: list[str]) -> None:
    wrong = {"type": "urn:kb:problem:file-changed", "title": "File changed", "status": 409, "detail": "文件已变"}
    page.route("**/pages/*.png?*", lambda route: route.fulfill(status=409, json=wrong))
    passage = first_point(address)["passage_id"]
    page.goto(f"{address}/p/{passage}")
    expect(page).to_have_url(at(address, passage=passage))
    expect(page.locator("figure.page")).to_contain_text("文件已变")
    assert complaints and all("409" in said for said in complaints)
    complaints.clear()


def test_a_permanent_link_shows_the_passage_on_its_page(page: Page, address: str) -> None:
    point = first_point(address)
    passage = httpx.get(f"{address}/v1/passages/{point['passage_id']}").json()
    page.goto(f"{address}/p/{point['passage_id']}")
    expect(page).to_have_url(at(address, passage=point["passage_id"]))
    expect(page.locator("blockquote.passage")).to_have_text(passage["text"], use_inner_text=False)
    expect(page.locator(".source").first).to_contain_text(f"《{passage['doc']['title']}》")
    check_picture(page, str(point["passage_id"]))
    expect(page.locator(".replaced")).to_have_count(0)


def test_no_index_is_said_and_the_way_out(browser: Browser, library_settings: Settings, tmp_path: Path) -> None:
    missing = library_settings.model_copy(update={"index": tmp_path / "none"})
    with serving(missing) as address, browser.new_page() as page:
        page.goto(address)
        expect(page.get_by_role("heading", name="还没有报告")).to_be_visible()
        page.get_by_role("main").get_by_role("link", name="资料库").click()
        expect(page.locator("#drop")).to_be_visible()


def test_without_scripts_a_question_is_answered(browser: Browser, address: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_label("问题").fill(QUESTION)
        page.get_by_label("问题").press("Enter")
        expect(page).to_have_url(at(address, q=QUESTION))
        expect(page.locator(".found > .bank h2").first).to_contain_text("银行")
        passage = page.locator(".found .excerpt").first.get_attribute("data-passage") or ""
        page.locator(".found .excerpt a.open").first.click()
        expect(page.locator("#evidence img")).to_have_attribute("src", re.compile(passage))


def test_english_dark_and_print(page: Page, address: str) -> None:
    open_answer(page, address)
    page.get_by_role("button", name="EN").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("button", name="中文")).to_be_visible()
    cookies = {one.get("name"): one.get("value") for one in page.context.cookies()}
    assert cookies["kb_language"] == "en"
    for text in ("检索", "摘录篮", "资料库"):
        expect(page.locator(".top")).not_to_contain_text(text)
    whole(page)
    expect(page.locator("#excerpts h2").first).not_to_contain_text("全部摘录")
    expect(page.locator("#facets summary").first).not_to_contain_text("维度")
    page.locator(".take").first.click()
    expect(page.locator("#told")).not_to_contain_text("摘录篮")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("button", name="检索")).to_be_visible()

    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate(paper)
    page.reload()
    assert dark != light and page.evaluate(paper) == dark
    page.emulate_media(color_scheme="dark")
    page.locator("#theme").click()
    assert page.evaluate(paper) == light
    page.emulate_media(media="print")
    expect(page.locator(".top")).to_be_hidden()
    expect(page.locator("#facets")).to_be_hidden()
    expect(page.locator(".found blockquote").first).to_be_visible()
    expect(page.locator(".found .source a").first).to_be_visible()


# every view


@pytest.fixture(scope="module")
def views(address: str) -> dict[str, str]:
    """A path to each view, with all that it can show."""
    passage = first_point(address)["passage_id"]
    return {
        "welcome": "/",
        "answer": at("", q=QUESTION),
        "panel": at("", q=QUESTION, passage=passage),
        "no answer": at("", q=NO_ANSWER),
        "browsing": at("", year=2023, passage=passage),
        "passage": at("", passage=passage),
        "banks": at("", "/banks", compare=["青岛农商银行", "北京银行", "浙江农信"]),
        "bank": "/banks/北京银行",
        "holdings": "/grid",
        "grid": at("", "/grid", q=QUESTION),
        "cases": "/cases",
        "library": "/library",
        "problem": "/nowhere",
        "docs": "/docs",
    }


def visit(page: Page, address: str, path: str) -> None:
    """Go to a view, and wait until it is whole."""
    page.goto(address + path)
    page.locator("[data-load][aria-busy]").wait_for(state="detached")
    page.locator("main:not([aria-busy])" if path != "/docs" else ".schema").first.wait_for()


SERIOUS = ("serious", "critical")
CONTRAST = ["color-contrast"]


def faults(page: Page, name: str, part: str | None, rules: list[str] | None = None) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds serious in a view or a part of it, by all of its rules or by some."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found = Axe().run(page, context=part, options=options).response["violations"]
    return [
        (name, one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(("widths", "scheme", "other"), [([1280], "light", "dark"), ([360, 390], "dark", "")])
def test_every_view_fits_its_window_and_shuts_nobody_out(
    page: Page, address: str, views: dict[str, str], complaints: list[str], widths: list[int], scheme: str, other: str
) -> None:
    """axe-core's rules: all of them in one of the two sets of colours, that of contrast in the other too."""
    found: list[object] = []

    def check(name: str, part: str | None = None) -> None:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found.extend(faults(page, name, part))
        if other:
            page.emulate_media(color_scheme=other)  # type: ignore[arg-type]
            found.extend(faults(page, f"{name}, {other}", part, CONTRAST))

    for name, path in views.items():
        visit(page, address, path)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append((name, "is wider than", width))
        if name == "docs":
            check(name, ".endpoint:nth-of-type(-n + 3)")  # all of its endpoints are of one make
        elif name not in ("answer", "passage"):  # the panel has both
            check(name)
        if name == "panel":
            page.locator(".take").first.click()
            page.locator("#open-basket").click()
            expect(page.locator("#basket-preview")).not_to_be_empty()
            check("basket", "#basket")
            page.keyboard.press("Escape")
            page.locator("#open-help").click()
            check("help", "#help")
            page.keyboard.press("Escape")
            page.locator("#q").fill("银行")
            expect(page.get_by_role("option").first).to_be_visible()
            check("suggestions", ".top")
    assert found == []
    assert all("404" in said for said in complaints)
    complaints.clear()  # of the view that is not there


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
    quoting.get_by_label("QuoteRequest").fill(f'{{"quotes": [{{"passage_id": "{found}"}}], "format": "gbt7714"}}')
    quoting.get_by_role("button", name="Try it").click()
    expect(quoting.locator("form pre")).to_contain_text("[R]")


def test_a_key_is_asked_for_and_a_session_ends(copied_settings: Settings, browser: Browser) -> None:
    keyed = copied_settings.model_copy(update={"keys": "required"})
    _, secret = KeyRing(keyed.index).add("desk", Role.READ)
    with serving(keyed) as address, browser.new_page() as page:
        requests: list[str] = []
        page.on("request", lambda asked: requests.append(asked.url))
        page.goto(address)
        page.get_by_role("combobox").click()
        page.get_by_role("combobox").fill("人才")
        expect(page.get_by_label("访问密钥")).to_be_visible()
        expect(page.get_by_role("combobox")).to_have_value("人才")
        assert len(requests) < 20  # it does not ask again and again
        page.get_by_label("访问密钥").fill(secret)
        page.get_by_role("button", name="进入").click()
        expect(page.get_by_role("heading", name="问报告，得原文")).to_be_visible()
        open_answer(page, address)
        page.on("dialog", lambda asked: asked.accept())
        page.get_by_role("button", name="退出").click()
        expect(page.get_by_label("访问密钥")).to_be_visible()
        assert page.evaluate("Object.keys(localStorage).length") == 0
