"""Digests: what is new between two states of a store, for people and programs; and a webhook that may be down."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from kb.build import ingest
from kb.catalogue import STORE_FILE
from kb.digest import FORMATS, Digest, State, digest_json, make_digest, state_of
from kb.errors import BadInput
from kb.evidence import gather
from kb.outbox import KEPT, OUTBOX, REFUSED, check_webhook, post, put_out, send_out
from kb.records import Filters
from kb.saved import News, Saved
from kb.search import Library
from kb.settings import Settings
from kb.store import Store
from tests.conftest import CACHE, Quick, Silent


@pytest.fixture
def before(library: Library) -> State:
    """What the sample index was before its survey came."""
    state = state_of(library.store)
    [survey] = [identity for identity, one in state.documents.items() if one.file == "survey2023.pdf"]
    rows = library.store.matching_rows(Filters(report=("others",)), [one for one in state.documents if one != survey])
    banks = {bank for stored in library.store.passages_by_row(rows) for bank in stored.passage.banks}
    return State({one: document for one, document in state.documents.items() if one != survey}, frozenset(banks))


def test_a_new_report_is_told_with_its_cases_and_banks(library: Library, before: State) -> None:
    digest = make_digest(library.store, before)
    [news] = digest.reports
    passages = library.store.passages_of(news.document.id)
    assert news.document.file == "survey2023.pdf" and not news.replaced
    assert news.passages == news.new_passages == len(passages)
    assert len(news.new_cases) == len(library.store.tagged(news.document.id).cases) > 0
    banks = {bank for stored in passages for bank in stored.passage.banks}
    assert set(news.banks) == banks
    assert set(news.new_banks) == banks - before.banks and 0 < len(news.new_banks) < len(banks)
    counts = digest.counts
    assert (counts["new"], counts["cases"], counts["banks"]) == (1, len(news.new_cases), len(news.new_banks))
    assert digest.headline == f"新报告 1 份: {counts['cases']} 个新案例, {counts['banks']} 家新银行"


def test_nothing_new_is_nothing_to_tell(library: Library) -> None:
    digest = make_digest(library.store, state_of(library.store))
    assert digest.empty and digest.headline == "没有变化"


def told(library: Library, before: State) -> Digest:
    """A digest with everything in it."""
    findings = gather(library, "银行怎么解决金融科技人才短缺", Filters()).findings
    saved = Saved(question="银行怎么解决金融科技人才短缺")
    news = [
        News("人才", saved, findings, findings[:2], "2024-01-01T00:00:00+00:00"),
        News("空", saved, findings, (), "2024-01-01T00:00:00+00:00"),
        News("错", Saved(question="*x*"), problem="unknown bank 'x'"),
    ]
    gone = next(iter(before.documents.values()))
    earlier = State({**before.documents, "gone": replace(gone, id="gone", title="<旧>报告")}, before.banks)
    return make_digest(library.store, earlier, news, [("b.pdf", "b.pdf: not a PDF")], ["nDCG@10 over all fell"])


def test_all_of_it_is_in_each_format(library: Library, before: State) -> None:
    digest = told(library, before)
    assert digest.headline.startswith("新报告 1 份, 移除报告 1 份, 读取失败 1 份: ")
    assert digest.headline.endswith("; 保存的问题 1 条有新证据; 评测未通过: nDCG@10 over all fell")
    assert [news.name for news in digest.saved] == ["人才", "错"]
    quotes = [finding.citation for finding in digest.saved[0].new]
    text, markdown = FORMATS["text"](digest), FORMATS["md"](digest)
    for words in (text, markdown):
        for quote in quotes:
            assert "".join(quote.quote.split())[:12] in "".join(words.split()).replace("\\", "")
            assert f"第 {'、'.join(map(str, quote.pages))} 页" in words
        for part in ("b.pdf", "fell", "unknown bank"):
            assert part in words
    assert text.splitlines()[0] == digest.headline
    assert "<旧>报告" in text and "\\<旧\\>报告" in markdown and "\\*x\\*" in markdown
    value = json.loads(FORMATS["json"](digest))
    assert value == digest_json(digest) and value["counts"]["questions"] == 1
    assert value["saved"][0]["new"][0]["citation"]["pages"] == list(quotes[0].pages)
    assert FORMATS["json"](digest).count("\n") == 1


def test_of_a_new_version_only_what_it_adds_is_new(settings: Settings, tmp_path: Path) -> None:
    path, old = tmp_path / "a.md", "青岛银行用一年时间上线了新的风控系统，覆盖全部分行和支行。" * 10
    path.write_text(f"# 专题报告\n\n{old}\n", "utf-8")
    ingest([path], settings, Quick, Silent())
    with Store.open(settings.index / STORE_FILE) as store:
        before = state_of(store)
    new = "台州银行的客户经理背着平板上门放贷，当天就能到账。" * 12
    path.write_text(f"# 专题报告\n\n{old}\n\n{new}\n", "utf-8")
    ingest([path], settings, Quick, Silent())
    with Store.open(settings.index / STORE_FILE) as store:
        digest = make_digest(store, before)
    [news] = digest.reports
    assert news.replaced and (news.passages, news.new_passages) == (2, 1)
    assert news.new_banks == ("台州银行",) and set(news.banks) == {"青岛银行", "台州银行"}
    assert not digest.removed and digest.headline.startswith("新版报告 1 份: ")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(index=tmp_path / "index", cache=CACHE, workers=1)


class Hook(HTTPServer):
    """A webhook that answers as it is told, and keeps what it took."""

    def __init__(self) -> None:
        self.status = 200
        self.too_large = "nothing is"
        self.taken: list[tuple[str, dict[str, object]]] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/news"


class Answer(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = 413 if self.server.too_large in body.get("gate", []) else self.server.status
        if status == 200:
            self.server.taken.append((self.headers["Content-Type"], body))
        self.send_response(status)
        self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_digest_stays_until_the_webhook_takes_it(hook: Hook, tmp_path: Path) -> None:
    first = Digest("2024-01-01T08:00:00+00:00", 7, gate=("first",))
    second = Digest("2024-01-01T09:00:00+00:00", 8, gate=("second",))
    put_out(tmp_path, first)
    hook.status = 500
    address = hook.url.removesuffix("/news")
    said = f"{address}: answered 500 Internal Server Error; the next run sends it again"
    assert send_out(tmp_path, hook.url) == (0, [said])
    put_out(tmp_path, second)
    hook.status = 200
    assert send_out(tmp_path, hook.url) == (2, [])
    assert [body["gate"] for _, body in hook.taken] == [["first"], ["second"]]
    assert hook.taken[0] == ("application/json; charset=utf-8", digest_json(first))
    assert send_out(tmp_path, hook.url) == (0, []) and not list((tmp_path / OUTBOX).iterdir())


def test_a_webhook_that_leads_elsewhere_or_is_not_there_is_told(hook: Hook) -> None:
    hook.status = 302
    status, problem = post(hook.url, "{}")
    assert status == 302 and problem.startswith("answered 302")
    assert hook.taken == []
    url = hook.url
    hook.status = 200
    assert post(url, "{}") == (200, "")
    closed = HTTPServer(("127.0.0.1", 0), Answer)
    port = closed.server_port
    closed.server_close()
    assert "refused" in post(f"http://127.0.0.1:{port}/", "{}")[1]


def test_a_digest_that_is_always_refused_is_set_aside(hook: Hook, tmp_path: Path) -> None:
    put_out(tmp_path, Digest("2024-01-01T08:00:00+00:00", 7, gate=("large",)))
    put_out(tmp_path, Digest("2024-01-01T09:00:00+00:00", 8, gate=("second",)))
    hook.too_large = "large"
    sent, [problem] = send_out(tmp_path, hook.url)
    [aside] = (tmp_path / OUTBOX / REFUSED).iterdir()
    assert sent == 1 and "answered 413" in problem and str(aside) in problem
    assert [body["gate"] for _, body in hook.taken] == [["second"]] and "large" in aside.read_text("utf-8")
    put_out(tmp_path, Digest("2024-01-01T10:00:00+00:00", 9))
    hook.status = 404  # a wrong address: no fault of the digest
    assert send_out(tmp_path, hook.url)[0] == 0 and len(list((tmp_path / OUTBOX).glob("*.json"))) == 1


def test_the_address_of_a_webhook_is_told_without_its_secret(hook: Hook, tmp_path: Path) -> None:
    put_out(tmp_path, Digest("2024-01-01T08:00:00+00:00", 7, gate=("first",)))
    hook.status = 500
    port = hook.server_port
    [problem] = send_out(tmp_path, f"http://me:hidden@127.0.0.1:{port}/hidden?key=hidden")[1]
    assert f"http://127.0.0.1:{port}: " in problem and "hidden" not in problem
    assert "hidden" not in post(f"http://127.0.0.1:{port}/hid den/hidden", "{}")[1]


def test_the_outbox_keeps_the_latest(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        put_out(tmp_path, Digest("2024-01-01T08:00:00+00:00", number))
    names = sorted(path.name for path in (tmp_path / OUTBOX).iterdir())
    assert len(names) == KEPT and names[0].endswith("00000003.json")


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/hidden", "file:///hidden", "example.org", "http://", "http://[hidden", "http://host:x/hidden"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="http://") as raised:
        check_webhook(url)
    assert "hidden" not in str(raised.value)
