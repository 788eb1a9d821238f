"""Jobs over HTTP: uploads, removals and corrections through the application, cancelled, crashed and restarted."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any, get_args

import docx
import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from api.app import create_app
from api.jobs_schemas import StateName, TaskName
from api.limits import Limits
from kb.build import ingest
from kb.catalogue import STORE_FILE
from kb.embed import Encoder
from kb.errors import (
    BadInput,
    BadSettings,
    IndexBusy,
    IndexDamaged,
    JobEnded,
    NotFound,
    QueueFull,
    WrongType,
)
from kb.jobs import queue as queue_module
from kb.jobs import runner as runner_module
from kb.jobs.queue import MOST_ATTEMPTS, Order, Outcome, Progress, Queue, State, Task
from kb.jobs.runner import Process, Runner, Stored
from kb.jobs.uploads import clean_name, clear_up, has_word_document, submit, suffix_of
from kb.jobs.work import FAULT, WAITS, Worker
from kb.metadata import Given
from kb.settings import Settings
from kb.store import Store
from kb.writing import writing
from tests import pdfs
from tests.conftest import CACHE, ROOT, Quick, Silent, encoder

SECONDS = 60.0
TEXT = "青岛银行与腾讯云合作建设开放银行平台，输出账户与支付能力，接入场景二百余个。\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of an index with one report."""
    folder = tmp_path_factory.mktemp("jobs")
    pdfs.one_column(folder / "base.pdf", pages=2)
    found = Settings(index=folder / "index", cache=CACHE, overrides=folder / "overrides.toml", workers=1, upload_mb=1)
    ingest([folder / "base.pdf"], found, encoder, Silent())
    return found


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """An application with a process for jobs that several tests share."""
    with TestClient(create_app(settings)) as opened:
        yield opened


@pytest.fixture
def pdf(tmp_path: Path, request: pytest.FixtureRequest) -> bytes:
    """A report of one page, another for each test."""
    pdfs.one_column(tmp_path / "made.pdf", pages=1, seed=sum(request.node.name.encode()))
    return (tmp_path / "made.pdf").read_bytes()


def upload(client: Any, name: str, content: bytes, **fields: object) -> Any:
    """The job of an upload that is taken."""
    response = client.post("/v1/documents", files={"file": (name, content)}, data=fields)
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/v1/jobs/{response.json()['id']}"
    return response.json()


def asked(response: Any) -> Any:
    """The job that a request was answered with."""
    assert response.status_code == 202, response.text
    return response.json()


def job(client: Any, identity: str) -> Any:
    return client.get(f"/v1/jobs/{identity}").json()


def until(found: Callable[[], Any], what: str) -> Any:
    """What a function gives as soon as it gives something."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {SECONDS} s: {what}")


def ended(client: Any, identity: str) -> Any:
    """A job when it has ended."""
    return until(lambda: found if (found := job(client, identity))["ended"] else None, f"end of job {identity}")


def in_stage(client: Any, identity: str, stage: str) -> Any:
    return until(lambda: found if (found := job(client, identity))["progress"]["stage"] == stage else None, stage)


def problem(response: Any) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["type"].removeprefix("urn:kb:problem:")


def uploads(settings: Settings) -> list[str]:
    folder = settings.index / "uploads"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def documents(client: Any) -> dict[str, Any]:
    return {entry["file"]: entry for entry in client.get("/v1/documents").json()["documents"]}


def test_the_api_knows_all_tasks_and_states() -> None:
    assert (get_args(TaskName), get_args(StateName)) == (tuple(Task), tuple(State))


# through the application


def test_an_upload_is_found_by_searches_when_its_job_is_done(
    client: TestClient, settings: Settings, pdf: bytes
) -> None:
    queued = upload(client, "../../../年报 2023.pdf", pdf, title="某行年报", year="2022", publisher="")
    assert (queued["task"], queued["file"], queued["by"]) == ("ingest", "年报 2023.pdf", "")
    response = client.get(f"/v1/jobs/{queued['id']}/events")  # until it has ended
    assert response.headers["content-type"].startswith("text/event-stream")
    found = client.get("/v1/search", params={"q": "数字化", "report": "年报 2023.pdf"}).json()["results"]
    assert found and found[0]["doc"]["title"] == "某行年报" and found[0]["doc"]["year"] == 2022

    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    numbers = [int(line[4:]) for line in response.text.splitlines() if line.startswith("id: ")]
    assert numbers == sorted(set(numbers)) and len(numbers) == len(events)
    states = [event["state"] for event in events]
    assert states == sorted(states, key=["queued", "running", "done"].index) and states[-1] == "done"
    stages = [event["progress"]["stage"] for event in events if event["progress"]["stage"]]
    assert stages == sorted(stages, key=["reading", "embedding", "storing"].index) and stages
    last = events[-1]
    assert last == job(client, queued["id"])
    assert (last["outcome"], last["document"]) == ("added", found[0]["doc"]["id"])
    assert last["progress"]["pages_done"] == last["progress"]["pages_total"] == 1
    assert last["passages"] == documents(client)["年报 2023.pdf"]["passages"] > 0
    with Store.open(settings.index / STORE_FILE) as store:
        stored = store.document(last["document"])
    assert uploads(settings) == [f"{stored.sha256}.pdf"]
    assert str(settings.index) not in json.dumps([last, documents(client)])


def test_the_same_file_twice_and_its_removal(client: TestClient, settings: Settings, pdf: bytes) -> None:
    jobs = [ended(client, upload(client, "同.pdf", pdf)["id"]) for _ in range(2)]
    assert [one["outcome"] for one in jobs] == ["added", "unchanged"]
    assert jobs[0]["document"] == jobs[1]["document"] and jobs[1]["passages"] == jobs[0]["passages"]
    name = next(file for file in uploads(settings) if file.startswith(jobs[0]["document"]))
    twice = [asked(client.delete(f"/v1/documents/{jobs[0]['document']}")) for _ in range(2)]
    assert [(one["task"], one["file"]) for one in twice] == [("remove", "同.pdf")] * 2
    assert [ended(client, one["id"])["outcome"] for one in twice] == ["removed", "removed"]
    assert "同.pdf" not in documents(client)
    until(lambda: name not in uploads(settings), "deletion of the upload")
    assert problem(client.delete(f"/v1/documents/{jobs[0]['document']}")) == (404, "not-found")


def test_a_new_version_replaces_that_of_its_name(client: TestClient, settings: Settings, pdf: bytes) -> None:
    first = ended(client, upload(client, "版.md", TEXT.encode())["id"])
    second = ended(client, upload(client, "版.md", (TEXT + "后来又有新的进展，接入场景增加到三百个。").encode())["id"])
    assert (first["outcome"], second["outcome"]) == ("added", "replaced")
    assert documents(client)["版.md"]["id"] == second["document"] != first["document"]
    assert {f"{name[:16]}" for name in uploads(settings)} >= {first["document"], second["document"]}  # for its links
    old = client.post(f"/v1/documents/{first['document']}/reindex")
    assert problem(old) == (409, "superseded") and second["document"] in old.json()["detail"]


def test_a_report_read_again_keeps_its_ids_and_what_was_set_by_hand(
    client: TestClient, settings: Settings, pdf: bytes
) -> None:
    identity = ended(client, upload(client, "重读.pdf", pdf, title="手写题名", year="2019")["id"])["document"]
    with Store.open(settings.index / STORE_FILE) as store:
        before, editions = store.document(identity), store.editions()
        ids = [stored.passage.id for stored in store.passages_of(identity)]
    tags = {"dimension": "生态", "banks": ["宁波银行"]}
    ended(client, asked(client.put(f"/v1/passages/{ids[0]}/tags", json=tags))["id"])
    queued = asked(client.post(f"/v1/documents/{identity}/reindex"))
    assert (queued["task"], queued["file"], queued["title"], queued["news"]) == ("reindex", "重读.pdf", "", None)
    done = ended(client, queued["id"])
    assert (done["outcome"], done["document"], done["title"]) == ("reindexed", identity, "手写题名")
    assert done["progress"]["pages_done"] == 1 and done["progress"]["units_done"] > 0
    assert (done["news"]["passages"], done["news"]["new_passages"]) == (len(ids), 0) == (done["passages"], 0)
    assert done["news"]["cases"] == done["news"]["new_banks"] == [] and "宁波银行" in done["news"]["banks"]
    with Store.open(settings.index / STORE_FILE) as store:
        after = store.passages_of(identity)
        assert store.document(identity) == before and store.editions() != editions  # it was stored anew
    assert [stored.passage.id for stored in after] == ids
    assert (after[0].passage.dimension, after[0].passage.banks) == ("生态", ("宁波银行",))
    assert f"{before.sha256}.pdf" in uploads(settings)


def test_what_is_read_again_is_the_file_as_it_is_now(tmp_path: Path) -> None:
    path, own = tmp_path / "报告.md", Settings(index=tmp_path / "index", cache=CACHE, workers=1)
    path.write_text(TEXT, "utf-8")
    ingest([path], own, Quick, Silent(), given=Given(title="手写题名"))
    with Store.open(own.index / STORE_FILE) as store:
        [first] = store.documents()
    again = Order(Task.REINDEX, "报告.md", target=first.id)

    (wrong := tmp_path / "报告.toml").write_text("titel = 1", "utf-8")
    assert at_once(own, again)["reason"].startswith("报告.toml: unknown key 'titel'")
    with Store.open(own.index / STORE_FILE) as store:
        assert store.documents() == [first] and not store.failures()
    wrong.unlink()
    path.write_text(
        f"# 新版\n\n{TEXT * 9}\n\n# 附录\n\n{'温州银行把网点柜员转为客户经理，由科技部门派员驻点辅导。' * 9}\n", "utf-8"
    )
    done = at_once(own, again)
    assert (done["what"], done["title"]) == ("replaced", "手写题名") and done["document"] != first.id
    assert json.loads(done["news"])["new_banks"] == ["温州银行"]
    assert "newer version" in at_once(own, again)["reason"]
    path.unlink()
    latest = Order(Task.REINDEX, "报告.md", target=done["document"])
    gone = at_once(own, latest)["reason"]
    assert "报告.md is no longer where it was" in gone and str(tmp_path) not in gone
    at_once(own, Order(Task.REMOVE, "报告.md", target=done["document"]))
    assert "no longer in the index" in at_once(own, latest)["reason"]


def at_once(settings: Settings, order: Order, encoder: Callable[[], Encoder] = Quick) -> Mapping[str, Any]:
    """What the process that does jobs tells last of an order, done in this one."""
    told: list[Mapping[str, object]] = []
    worker = Worker(settings, told.append)
    worker._encoder = lambda _: encoder()  # type: ignore[assignment]
    worker.work(order)
    return told[-1]


CASES = """# 专题报告

## 案例：温州银行 客户经理背着平板放贷

背景：温州银行的小微客户多而散，客户经理上门一次只能办一笔，贷款审批要等三天，客户等不起。

措施：温州银行给客户经理配发平板电脑，把征信查询、额度测算与合同签署全部搬到现场，当天办完。

效果：温州银行的贷款办理时间由三天缩短到四十分钟，客户经理人均管户数由一百二十户提高到三百户。

## 同业

青岛银行也在学习这一做法，准备在全部支行推广平板电脑放贷，由总行的金融科技部派员驻点，逐行辅导。
"""


def test_a_job_tells_what_its_report_brought(copied_settings: Settings) -> None:
    folder = copied_settings.index / "uploads"
    folder.mkdir()
    first, second = (Order(Task.INGEST, "专题.md", upload=f"{mark * 64}.md") for mark in "01")
    (folder / first.upload).write_text(CASES, "utf-8")
    news = json.loads(at_once(copied_settings, first, encoder)["news"])
    assert news["case_count"] == 1 and "温州银行" in news["cases"][0]
    assert set(news["banks"]) == {"温州银行", "青岛银行"} and news["new_banks"] == ["温州银行"]
    assert news["passages"] == news["new_passages"] == 2
    (folder / second.upload).write_text(
        f"{CASES}\n## 案例：厦门银行\n\n{'厦门银行上线了供应链金融平台。' * 9}\n", "utf-8"
    )
    news = json.loads(at_once(copied_settings, second, encoder)["news"])
    assert (news["passages"], news["new_passages"], news["case_count"]) == (3, 1, 1)
    assert news["new_banks"] == ["厦门银行"] and len(news["banks"]) == 3
    again = at_once(copied_settings, second, encoder)
    assert again["what"] == "unchanged" and json.loads(again["news"]) | {"banks": [], "passages": 0} == {
        "passages": 0, "new_passages": 0, "cases": [], "case_count": 0, "banks": [], "new_banks": []
    }  # fmt: skip


def test_a_file_that_cannot_be_read_fails_with_its_reason(client: TestClient, settings: Settings) -> None:
    before = uploads(settings)
    failed = ended(client, upload(client, "破 损.pdf", b"%PDF-1.7 and no more")["id"])
    assert failed["state"] == "failed" and failed["reason"].startswith("破 损.pdf: ")
    assert (failed["outcome"], failed["document"]) == ("", None)
    until(lambda: uploads(settings) == before, "deletion of the upload")
    assert client.get("/v1/documents").json()["failures"] == []
    assert failed in client.get("/v1/jobs", params={"state": "failed"}).json()["jobs"]


def test_tags_are_corrected_and_restored(client: TestClient) -> None:
    hit = client.get("/v1/search", params={"q": "人才培训", "top": 1}).json()["results"][0]
    other = next(side for side in ("战略", "生态") if side != hit["dimension"])
    address = f"/v1/passages/{hit['passage_id']}"
    done = ended(client, asked(client.put(f"{address}/tags", json={"dimension": other}))["id"])
    assert (done["state"], done["outcome"], done["document"]) == ("done", "corrected", hit["doc"]["id"])
    assert client.get(address).json()["dimension"] == other
    ended(client, asked(client.delete(f"{address}/tags"))["id"])
    assert client.get(address).json()["dimension"] == hit["dimension"]
    wrong = ended(client, asked(client.put(f"{address}/tags", json={"dimension": "没有"}))["id"])
    assert wrong["state"] == "failed" and "没有" in wrong["reason"]
    assert problem(client.put(f"{address}/tags", json={})) == (422, "invalid-request")
    assert problem(client.put("/v1/passages/0/tags", json={"year": 2020})) == (404, "not-found")


def word_file() -> bytes:
    out = BytesIO()
    docx.Document().save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 no directory",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"\xd0\xcf\x11\xe0 old",
        b" <!DOCTYPE html><p>1",
        b"\xff\xfe\x01",
    ],
    ids=["zip", "png", "doc", "html", "bytes"],
)
def test_other_types_are_refused_by_content(client: TestClient, content: bytes) -> None:
    assert problem(client.post("/v1/documents", files={"file": ("report.pdf", content)})) == (415, "wrong-type")


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ({"files": {"file": ("a.pdf", b"")}}, "bad-input"),
        ({"files": {"other": ("a.pdf", b"%PDF-1.7")}}, "unknown-name"),
        ({"data": {"title": "x"}}, "invalid-request"),
        ({"files": [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]}, "bad-input"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"titel": "x"}}, "unknown-name"),
        ({"files": {"file": ("a.txt", b"a")}, "params": {"title": "x"}}, "unknown-name"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"year": "1066"}}, "invalid-request"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"url": "javascript:1"}}, "bad-input"),
        ({"content": b"no form", "headers": {"content-type": "multipart/form-data; boundary=x"}}, "bad-input"),
        ({"json": {"file": "a"}}, "invalid-request"),
    ],
)
def test_uploads_that_were_asked_for_wrongly(client: TestClient, request_: Any, kind: str) -> None:
    before = client.get("/v1/jobs").json()["total"]
    assert problem(client.post("/v1/documents", **request_)) == (422, kind)
    assert client.get("/v1/jobs").json()["total"] == before


def test_a_file_over_the_limit_is_refused(client: TestClient) -> None:
    large = b"%PDF-1.7" + bytes(1 << 20)
    assert problem(client.post("/v1/documents", files={"file": ("a.pdf", large)})) == (413, "upload-too-large")
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' + large + b"\r\n--x--\r\n"
    pieces = (form[at : at + 50_000] for at in range(0, 2 * len(form), 50_000))
    unannounced = client.post(
        "/v1/documents", content=pieces, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert problem(unannounced) == (413, "upload-too-large")
    endless = (b"x" * 50_000 for _ in range(1000))
    unannounced = client.post(
        "/v1/documents", content=endless, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert unannounced.status_code in (413, 422)


def test_unknown_jobs(client: TestClient) -> None:
    for method, address in (("GET", "/v1/jobs/0"), ("DELETE", "/v1/jobs/0"), ("GET", "/v1/jobs/0/events")):
        assert problem(client.request(method, address)) == (404, "not-found")
    assert problem(client.post("/v1/documents/0/reindex")) == (404, "not-found")
    assert problem(client.get("/v1/jobs", params={"state": "lost"})) == (422, "invalid-request")
    assert problem(client.get("/v1/jobs", params={"sort": "1"})) == (422, "unknown-name")


def test_jobs_wait_are_cancelled_and_fill_the_queue(client: TestClient, settings: Settings, pdf: bytes) -> None:
    before, held = uploads(settings), documents(client)
    client.app.state.jobs.queue._longest = 1  # type: ignore[attr-defined]
    with writing(settings.index, "a test"):
        running = upload(client, "等.pdf", pdf)
        waits = in_stage(client, running["id"], "waiting")
        assert waits["state"] == "running" and waits["reason"] == WAITS
        queued = upload(client, "排队.txt", TEXT.encode())
        full = client.post("/v1/documents", files={"file": ("满.txt", b"1")})
        assert problem(full) == (503, "queue-full") and full.headers["retry-after"] == "30"
        assert asked(client.delete(f"/v1/jobs/{queued['id']}"))["state"] == "cancelled"
        assert asked(client.delete(f"/v1/jobs/{running['id']}"))["cancelling"]
        assert ended(client, running["id"])["state"] == "cancelled"
    client.app.state.jobs.queue._longest = 100  # type: ignore[attr-defined]
    until(lambda: uploads(settings) == before, "deletion of the uploads")
    assert documents(client) == held
    assert problem(client.delete(f"/v1/jobs/{running['id']}")) == (409, "job-ended")


def test_a_process_that_dies_fails_its_job_and_the_next_is_done(
    client: TestClient, settings: Settings, pdf: bytes
) -> None:
    with writing(settings.index, "a test"):
        first, second = upload(client, "死.pdf", pdf), upload(client, "生.txt", f"{TEXT}之后。".encode())
        in_stage(client, first["id"], "waiting")
        os.kill(client.app.state.jobs._process._process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        failed = ended(client, first["id"])
    assert failed["state"] == "failed" and "-9" in failed["reason"]
    assert ended(client, second["id"])["outcome"] == "added"


# all jobs as one stream


class Listening:
    """A stream of the application that is read until its client leaves."""

    def __init__(self, client: TestClient, last: str = "") -> None:
        self.text = ""
        self._client = client
        self._leaves = Event()
        scope = {"type": "http", "method": "GET", "path": "/v1/jobs/events", "query_string": b"", "scheme": "http",
                 "server": ("127.0.0.1", 80), "headers": [(b"host", b"localhost"), (b"last-event-id", last.encode())],
                 "http_version": "1.1", "root_path": "", "client": ("127.0.0.1", 1)}  # fmt: skip
        assert client.portal
        self._done = client.portal.start_task_soon(client.app, scope, self._receive, self._send)

    async def _receive(self) -> dict[str, object]:
        while not self._leaves.is_set():
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.text += message.get("body", b"").decode()

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave, also where the test has failed: the application ends only when nobody listens."""
        self._leaves.set()
        self._done.result(SECONDS)

    @property
    def events(self) -> list[Any]:
        """The jobs of the events that came whole."""
        whole = self.text[: self.text.rfind("\n\n") + 1]
        return [json.loads(line[6:]) for line in whole.splitlines() if line.startswith("data: ")]


def test_one_stream_tells_of_all_jobs(client: TestClient, settings: Settings, pdf: bytes) -> None:
    earlier = ended(client, upload(client, "先.txt", f"{TEXT}先。".encode())["id"])
    with ExitStack() as held:
        held.enter_context(writing(settings.index, "a test"))
        first = upload(client, "流.pdf", pdf)
        in_stage(client, first["id"], "waiting")
        with Listening(client) as stream:
            until(lambda: stream.events, "the job that runs already")
            second = upload(client, "后.txt", f"{TEXT}后。".encode())
            until(lambda: len({event["id"] for event in stream.events}) == 2, "the job that is queued")
            held.close()
            until(
                lambda: len({event["id"] for event in stream.events if event["state"] == "done"}) == 2,
                "the ends of both",
            )
    for queued, states in ((first, ["running", "done"]), (second, ["queued", "running", "done"])):
        told = [event for event in stream.events if event["id"] == queued["id"]]
        found = list(dict.fromkeys(event["state"] for event in told))
        assert [state for state in states if state != "running"] == [state for state in found if state != "running"]
        assert told[-1] == job(client, queued["id"]) and told[-1]["news"]["new_passages"] > 0
    assert earlier["id"] not in stream.text

    last = next(line[4:] for line in stream.text.splitlines()[::-1] if line.startswith("id: "))
    with Listening(client, last) as again:  # as a browser whose connection was cut
        until(lambda: second["id"] in again.text, "a job that ended in between")
    assert earlier["id"] not in again.text or earlier["ended"] >= last


def test_streams_end_with_their_server_and_not_when_it_waited_for_them(tmp_path: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))  # as a server does

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def run() -> None:
        stack, sent, loop = Limits(endless, Settings(index=tmp_path)), [], asyncio.get_running_loop()

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        def begun(kind: str) -> asyncio.Task[None]:
            scope = {"type": kind, "method": "GET", "path": "/v1/jobs/events", "query_string": b"", "headers": []}
            return loop.create_task(stack(scope, asyncio.Event().wait, send))  # type: ignore[arg-type]

        life, stream = begun("lifespan"), begun("http")
        while not sent:
            await asyncio.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(stream, SECONDS)
        await asyncio.wait_for(begun("http"), SECONDS)  # one that comes late
        assert [message.get("more_body") for message in sent] == [None, False] * 2
        life.cancel()
        await asyncio.wait({life})

    try:
        asyncio.run(run())
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)


# servers that end


def test_a_server_that_is_killed_leaves_its_jobs_to_the_next(settings: Settings, pdf: bytes, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(settings.index, index, ignore=shutil.ignore_patterns("jobs.*", "uploads"))
    own = settings.model_copy(update={"index": index, "overrides": tmp_path / "overrides.toml"})
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "kb.cli", "serve", "--port", str(port), "--index", str(index)],
        cwd=ROOT,
        env=os.environ | {"KB_WORKERS": "1"},
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client, writing(index, "a test"):
            until(lambda: is_up(client), "the server")
            running, queued = upload(client, "甲.pdf", pdf), upload(client, "乙.txt", TEXT.encode())
            in_stage(client, running["id"], "waiting")
            worker = process_of(index)
            server.kill()
            server.wait()
            until(lambda: not Path(f"/proc/{worker}").exists(), "end of the orphan")
    finally:
        server.kill()
        server.wait()
    assert [one.state for one in Queue(index, 9).jobs()] == ["queued", "running"]
    (left := index / "uploads" / f"{'0' * 64}.pdf.{'0' * 32}.part").touch()
    os.utime(left, (0, 0))
    (index / "uploads" / ("0" * 64 + ".txt")).touch()
    (index / "uploads" / "not ours.txt").touch()
    with TestClient(create_app(own)) as client:
        assert [ended(client, one["id"])["outcome"] for one in (running, queued)] == ["added", "added"]
        assert {"甲.pdf", "乙.txt"} <= set(documents(client))
    assert len(uploads(own)) == 3 and "not ours.txt" in uploads(own)


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def process_of(index: Path) -> int:
    """The process that does the jobs of an index."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and b"kb.jobs.work" in (entry / "cmdline").read_bytes():
            found = int(entry.name)
            if str(index).encode() in (entry / "environ").read_bytes():
                return found
    raise AssertionError("no process does jobs")


def test_a_server_that_is_stopped_puts_its_job_back(settings: Settings, pdf: bytes, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(settings.index, index, ignore=shutil.ignore_patterns("jobs.*", "uploads"))
    own = settings.model_copy(update={"index": index, "overrides": tmp_path / "overrides.toml"})
    with writing(index, "a test"), TestClient(create_app(own)) as client:
        running = upload(client, "停.pdf", pdf)
        in_stage(client, running["id"], "waiting")
    stopped = Queue(index, 9).job(running["id"])
    assert (stopped.state, stopped.begun, stopped.progress) == (State.QUEUED, "", Progress())
    assert len(uploads(own)) == 1


def test_the_first_report_of_an_index(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "IDLE_SECONDS", 0.1)
    own = settings.model_copy(update={"index": tmp_path / "none", "overrides": tmp_path / "overrides.toml"})
    with TestClient(create_app(own)) as client:
        assert client.get("/v1/jobs").json() == {"total": 0, "jobs": []}
        assert not own.index.exists()
        assert client.get("/readyz").status_code == 503
        assert ended(client, upload(client, "初.txt", TEXT.encode())["id"])["outcome"] == "added"
        assert client.get("/v1/search", params={"q": "开放银行"}).json()["results"]
        until(lambda: client.app.state.jobs._process is None, "end of the idle process")  # type: ignore[attr-defined]


def test_a_job_is_done_that_was_cancelled_after_it_was_stored(settings: Settings) -> None:
    runner = Runner(settings)
    with Store.open(settings.index / STORE_FILE) as store:
        stored = store.documents()[0]
        reading = next(edition.token for edition in store.editions() if edition.document == stored.id)
    for order, outcome in (
        (Order(Task.INGEST, "a.pdf", upload=f"{stored.sha256}.pdf"), "added"),
        (Order(Task.REMOVE, "a.pdf", target="0" * 16), "removed"),
        (Order(Task.INGEST, "a.pdf", upload="0" * 64 + ".pdf"), ""),
        (Order(Task.REMOVE, "a.pdf", target=stored.id), ""),
        (Order(Task.REINDEX, "a.pdf", target=stored.id), ""),
    ):
        before = [] if order.task is Task.INGEST else [Stored(stored, reading)]
        assert broken_off(runner, order, before) == (State.DONE if outcome else State.CANCELLED, outcome)
    known = Order(Task.INGEST, "a.pdf", upload=f"{stored.sha256}.pdf")
    for was, end in (
        (stored, (State.CANCELLED, "")),
        (replace(stored, title="before"), (State.DONE, "updated")),
        (replace(stored, file="before.pdf", title="before"), (State.DONE, "moved")),
    ):
        assert broken_off(runner, known, [Stored(was, reading)]) == end
    again = Order(Task.REINDEX, "a.pdf", target=stored.id)
    assert broken_off(runner, again, [Stored(stored, "before")]) == (State.DONE, "reindexed")
    assert broken_off(runner, again, [Stored(replace(stored, status="superseded"), "")]) == (State.DONE, "replaced")


def broken_off(runner: Runner, order: Order, before: list[Stored]) -> tuple[State, str]:
    """As what a job ends that is cancelled, where this was stored when it began."""
    job = runner.queue.add(order, "")
    runner.queue.begin()
    runner._break_off(job, before, State.CANCELLED, "")
    found = runner.queue.job(job.id)
    return found.state, found.outcome.what


def test_a_correction_that_has_begun_is_done_whole(tmp_path: Path) -> None:
    runner = Runner(Settings(index=tmp_path))
    queue, correction = runner.queue, Order(Task.CORRECT, "a.pdf", target="0")
    assert queue.cancel(queue.add(correction, "").id).state is State.CANCELLED
    job = queue.add(correction, "")
    for end in (lambda: runner._break_off(job, [], State.FAILED, "died"), lambda: queue.put_back(job.id)):
        assert queue.begin()
        with pytest.raises(JobEnded, match="not broken off"):
            queue.cancel(job.id)
        end()
        assert queue.job(job.id).state is State.QUEUED
        with pytest.raises(JobEnded, match="not broken off"):
            queue.cancel(job.id)


def test_half_a_message_is_the_end_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module.sys, "executable", "/bin/echo")  # says "-m kb.jobs.work", which is no JSON
    process = Process(Settings())
    try:
        with pytest.raises(EOFError):
            until(lambda: process.hear(5), "the end")
    finally:
        process.end()


def test_a_job_goes_on_while_the_queue_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "BUSY_SECONDS", 0.05)
    runner = Runner(Settings(index=tmp_path))
    job = runner.queue.add(order(), "")
    runner.queue.begin()
    message = {"tell": "progress", **asdict(Progress("reading", 1, 2)), "reason": ""}
    with runner.queue.changing():
        with pytest.raises(IndexBusy, match="being written by another process"):
            runner.queue.add(order(), "")
        assert not runner._note(job, message)
    assert not runner._note(job, message)
    assert runner.queue.job(job.id).progress == Progress("reading", 1, 2)
    runner.queue.cancel(job.id)
    assert runner._note(job, None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (IndexDamaged("/srv/index/kb.sqlite is damaged"), FAULT),
        (BadSettings("/srv/banks.toml: line 1"), FAULT),
        (ZeroDivisionError("secret"), FAULT),
        (BadInput("{index}/uploads/x.toml: no table; {index}/uploads/y"), "x.toml: no table; y"),
    ],
)
def test_reasons_tell_nothing_of_the_server(tmp_path: Path, error: Exception, reason: str) -> None:
    told: list[Mapping[str, object]] = []
    worker = Worker(Settings(index=tmp_path), told.append)

    def fail(order: Order) -> Outcome:
        raise type(error)(str(error).format(index=tmp_path))

    worker._do = fail  # type: ignore[method-assign]
    worker.work(order())
    assert told == [{"tell": "failed", "reason": reason}]


def test_embedding_is_told_of_after_each_batch() -> None:
    done: list[int] = []
    encoder().passages(["银行"] * 40, done.append)
    assert done == [16, 32, 40]


# the queue


def order(file: str = "a.pdf") -> Order:
    return Order(Task.INGEST, file, upload="0" * 64 + ".pdf")


def test_jobs_are_begun_in_their_order_and_the_ended_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "KEPT", 3)
    queue = Queue(tmp_path / "index", 10)
    assert queue.jobs() == [] and not queue.path.exists()
    ids = [queue.add(order(), "desk").id for _ in range(6)]
    for identity in ids[:5]:
        begun = queue.begin()
        assert begun and begun.id == identity and begun.state is State.RUNNING and begun.begun
        queue.finish(identity, State.DONE, outcome=Outcome("added", "d", 3, 7))
    assert [found.id for found in queue.jobs()] == ids[:1:-1]
    assert queue.counts() == {**dict.fromkeys(State, 0), State.QUEUED: 1, State.DONE: 3}
    assert queue.jobs(State.DONE, limit=1, offset=1)[0].id == ids[3]
    assert queue.job(ids[4]).outcome == Outcome("added", "d", 3, 7)
    with pytest.raises(NotFound, match=ids[0]):
        queue.job(ids[0])


def test_a_queue_of_an_earlier_kb_goes_on(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as db, db:
        db.execute(queue_module.SCHEMA)
        db.executemany(
            "INSERT INTO jobs (id, task, file, upload, target, given, by, state, asked, what) VALUES"
            " (?, 'ingest', 'a.pdf', 'u', '', '{}', '', ?, '2026-01-01T00:00:00+00:00', ?)",
            [("old", "done", "added"), ("waits", "queued", "")],
        )
    with ThreadPoolExecutor(4) as threads:  # all of whom find it old
        assert {len(jobs) for jobs in threads.map(lambda _: Queue(tmp_path, 9).jobs(), range(8))} == {2}
    queue = Queue(tmp_path, 9)
    assert queue.job("old").outcome == Outcome("added")
    begun = queue.begin()
    assert begun and begun.id == "waits"
    outcome = Outcome("added", "d", 3, 7, "题名", "{}")
    assert (
        queue.finish("waits", State.DONE, outcome=outcome).outcome == outcome == Queue(tmp_path, 9).job("waits").outcome
    )


def test_a_job_whose_servers_die_is_given_up(tmp_path: Path) -> None:
    queue = Queue(tmp_path, 10)
    identity = queue.add(order(), "").id
    for attempt in range(MOST_ATTEMPTS):
        assert queue.begin(), attempt
        queue.recover()
    assert queue.job(identity).state is State.FAILED and f"{MOST_ATTEMPTS} times" in queue.job(identity).reason
    other = queue.add(order(), "").id
    queue.begin()
    queue.cancel(other)
    queue.recover()
    assert queue.job(other).state is State.CANCELLED


def test_many_threads_queue_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    queue = Queue(tmp_path, 20)

    def add(number: int) -> bool:
        try:
            queue.add(order(str(number)), "")
        except QueueFull:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(add, range(30)))
    assert sum(taken) == queue.counts()[State.QUEUED] == 20


def test_a_file_that_cannot_be_put_into_place_queues_no_job(tmp_path: Path) -> None:
    def put() -> None:
        raise PermissionError(13, "Permission denied")

    queue = Queue(tmp_path, 20)
    with pytest.raises(IndexDamaged, match="Permission denied"):
        queue.add(order(), "", put)
    assert queue.jobs() == []


def test_a_broken_queue_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(IndexDamaged, match=r"jobs\.sqlite"):
        Queue(tmp_path, 20).jobs()


# files and their names


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("年报 2023.pdf", "年报 2023.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("..\\..\\windows\\a.PDF", "a.pdf"),
        ("/abs/olute.exe", "olute.exe.pdf"),
        ("a\0b\r\n\t\u202ec.pdf", "abc.pdf"),
        ("..", "upload-01234567.pdf"),
        ("", "upload-01234567.pdf"),
        (".pdf", "upload-01234567.pdf"),
        ("~$x .pdf", "~$x.pdf"),
        ("<script>alert(1)</script>.pdf", "script>.pdf"),
        ("名" * 300 + ".pdf", "名" * 137 + "-01234567.pdf"),
        ("名" * 146 + ".pdf", "名" * 146 + ".pdf"),
        ("\ud800\udfff.pdf", "upload-01234567.pdf"),
    ],
)
def test_names_are_cleaned(name: str, clean: str) -> None:
    assert clean_name(name, ".pdf", "0123456789abcdef") == clean


def test_content_tells_the_type() -> None:
    assert suffix_of(BytesIO(word_file()), "a.pdf") == ".docx"
    assert suffix_of(BytesIO(b"junk\n%PDF-1.4"), "a.txt") == ".pdf"
    assert suffix_of(BytesIO("开放银行".encode("gb18030")), "a.pdf") == ".txt"
    assert suffix_of(BytesIO("银".encode() * 400_000), "a.MD") == ".md"  # its sample ends within a character
    with pytest.raises(WrongType, match="password"):
        suffix_of(BytesIO(b"\xd0\xcf\x11\xe0"), "a.docx")


def test_a_word_file_is_known_wherever_its_directory_is_cut() -> None:
    class Short(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(97)

    assert has_word_document(Short(word_file()))
    assert not has_word_document(Short(b"PK\x03\x04" + b"word/document.xml" * 50))


def test_an_upload_is_copied_while_others_change_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Settings(index=tmp_path)
    queue, copying, begun = Queue(own.index, 9), Event(), Event()

    class Slow(BytesIO):
        """A file that is copied, after it was read for its hash, while the queue is changed."""

        def read(self, size: int | None = -1) -> bytes:
            if list(tmp_path.glob("uploads/*.part")):
                begun.set()
                assert copying.wait(SECONDS)
            return super().read(size)

    with ThreadPoolExecutor(1) as threads:
        submitted = threads.submit(submit, queue, own, Slow(TEXT.encode()), "慢.txt", {}, "")
        try:
            assert begun.wait(SECONDS)
            monkeypatch.setattr(queue_module, "BUSY_SECONDS", 0.05)
            queue.add(order(), "")
        finally:
            copying.set()
        stored = submitted.result()
    assert uploads(own) == [stored.order.upload]


def test_a_draft_is_not_cleared_up_while_it_is_written(settings: Settings) -> None:
    (folder := settings.index / "uploads").mkdir(exist_ok=True)
    (fresh := folder / f"{'0' * 64}.pdf.{'a' * 32}.part").touch()
    (left := folder / f"{'0' * 64}.pdf.{'b' * 32}.part").touch()
    os.utime(left, (0, 0))
    clear_up(Queue(settings.index, 1), settings.index)
    assert fresh.exists() and not left.exists()
    fresh.unlink()


def test_nothing_is_cleared_up_without_an_index(tmp_path: Path) -> None:
    file = tmp_path / "uploads" / ("0" * 64 + ".pdf")
    file.parent.mkdir()
    file.touch()
    clear_up(Queue(tmp_path, 1), tmp_path)
    assert file.exists()
