"""The figures at /metrics, read as Prometheus reads them."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from api.schemas import QUESTION
from kb.jobs.queue import Order, Outcome, Progress, Queue, State, Task
from kb.keys import KeyRing, Role
from kb.search import Library
from kb.settings import Settings
from tests.conftest import CACHE

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures(client: TestClient) -> Figures:
    """Every sample by its name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Figures, name: str, **labels: str) -> float:
    """One of them; 0 for one that is not there yet."""
    return found.get((name, tuple(sorted(labels.items()))), 0)


@pytest.fixture
def client(library_settings: Settings) -> Iterator[TestClient]:
    yield TestClient(create_app(library_settings))


def test_questions_are_counted_with_what_they_found(client: TestClient) -> None:
    before = figures(client)
    assert ("kb_questions_total", (("abstained", "true"), ("kind", "ask"))) in before  # there before the first
    client.get("/v1/search", params={"q": QUESTION, "top": 4})
    client.get("/v1/search", params={"q": "", "top": 4})
    client.get("/v1/ask", params={"q": QUESTION})
    found = figures(client)
    assert value(found, "kb_questions_total", kind="search", abstained="false") == 1
    assert value(found, "kb_questions_total", kind="ask", abstained="false") == 1
    assert value(found, "kb_search_hits_sum") == 4 and value(found, "kb_search_hits_count") == 1
    timed = "kb_request_seconds"
    assert value(found, timed + "_count", method="GET", route="/v1/search", status="200") == 1
    assert value(found, timed + "_count", method="GET", route="/v1/search", status="422") == 1
    seconds = value(found, timed + "_sum", method="GET", route="/v1/search", status="200")
    assert 0 < seconds < 60
    buckets = [
        value(found, timed + "_bucket", method="GET", route="/v1/search", status="200", le=le)
        for le in ("0.005", "+Inf")
    ]
    assert buckets[0] <= buckets[1] == 1


def test_abstentions_are_counted(library_settings: Settings) -> None:
    client = TestClient(create_app(library_settings.model_copy(update={"abstain_below": 1.1})))
    client.get("/v1/search", params={"q": QUESTION})
    client.get("/v1/ask", params={"q": QUESTION})
    found = figures(client)
    for kind in ("search", "ask"):
        assert value(found, "kb_questions_total", kind=kind, abstained="true") == 1
        assert value(found, "kb_questions_total", kind=kind, abstained="false") == 0


def test_the_index_and_the_process_are_told(client: TestClient, library: Library) -> None:
    found = figures(client)
    counts = library.store.count_passages()
    assert value(found, "kb_index_up") == 1
    assert value(found, "kb_generation") == library.generation
    assert value(found, "kb_documents") == len(counts) and value(found, "kb_passages") == sum(counts.values())
    assert value(found, "process_resident_memory_bytes") > 10_000_000


def test_an_index_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = figures(TestClient(create_app(Settings(index=tmp_path / "none", cache=CACHE))))
    assert value(found, "kb_index_up") == 0 and ("kb_index_up", ()) in found
    assert ("kb_generation", ()) not in found


def test_jobs_are_told_by_state(copied_settings: Settings) -> None:
    client = TestClient(create_app(copied_settings))  # whose jobs nobody works off
    assert value(figures(client), "kb_jobs", state="queued") == 0
    assert client.post("/v1/documents", files={"file": ("a.txt", "一份报告".encode())}).status_code == 202
    found = figures(client)
    assert value(found, "kb_jobs", state="queued") == 1
    assert {dict(labels)["state"] for name, labels in found if name == "kb_jobs"} >= {"running", "done", "failed"}


def test_addresses_that_there_are_not_make_one_line(client: TestClient) -> None:
    for number in range(20):
        client.get(f"/no/{number}")
        client.request(f"ODD{number}", "/v1/no")
    routes = {dict(labels)["route"] for name, labels in figures(client) if name == "kb_request_seconds_count"}
    assert routes <= {"", "/metrics"}
    methods = {dict(labels)["method"] for name, labels in figures(client) if name == "kb_request_seconds_count"}
    assert methods <= {"", "GET"}


def test_invented_methods_make_one_line(client: TestClient) -> None:
    for number in range(20):
        client.request(f"ODD{number}", "/docs")
    lines = {labels for name, labels in figures(client) if name == "kb_request_seconds_count"}
    assert {dict(labels)["method"] for labels in lines if dict(labels)["route"] == "/docs"} == {"other"}


def test_ingestions_are_counted_once_whatever_became_of_them(copied_settings: Settings) -> None:
    queue = Queue(copied_settings.index, 10)

    def work_off(task: Task, state: State, outcome: Outcome | None = None, pages: int = 0) -> None:
        identity = queue.add(Order(task, "a.pdf"), "").id
        queue.begin()
        queue.note(identity, Progress(pages_total=pages), "")
        queue.finish(identity, state, outcome=outcome)

    work_off(Task.INGEST, State.DONE, Outcome("added", "0", 9), 9)
    time.sleep(1.1)  # jobs tell their times in whole seconds
    client = TestClient(create_app(copied_settings))
    assert value(figures(client), "kb_ingested_total", outcome="added") == 0  # what was before does not count
    work_off(Task.INGEST, State.DONE, Outcome("added", "1", 30), 4)
    work_off(Task.INGEST, State.DONE, Outcome("replaced", "1", 20), 3)
    work_off(Task.INGEST, State.DONE, Outcome("unchanged", "1", 20))
    work_off(Task.INGEST, State.FAILED, pages=5)
    work_off(Task.REMOVE, State.DONE, Outcome("removed", "1"))
    queue.add(Order(Task.INGEST, "waits.pdf"), "")
    for _ in range(2):
        found = figures(client)
        outcomes = {
            dict(labels)["outcome"]: held for (name, labels), held in found.items() if name == "kb_ingested_total"
        }
        assert outcomes == {"added": 1, "replaced": 1, "unchanged": 1, "failed": 1}
        assert value(found, "kb_ingested_pages_total") == 7 and value(found, "kb_ingested_passages_total") == 50
        assert value(found, "kb_ingest_seconds_count") == 4


def test_applications_of_one_process_count_apart(library_settings: Settings) -> None:
    one, other = (TestClient(create_app(library_settings)) for _ in range(2))
    one.get("/v1/search", params={"q": QUESTION})
    name = {"kind": "search", "abstained": "false"}
    assert [value(figures(each), "kb_questions_total", **name) for each in (one, other)] == [1, 0]


def test_a_damaged_index_does_not_hide_the_other_figures(copied_settings: Settings) -> None:
    shutil.rmtree(copied_settings.index)
    copied_settings.index.mkdir()
    (copied_settings.index / "kb.sqlite").write_bytes(b"no database at all, but long enough to be one" * 100)
    found = figures(TestClient(create_app(copied_settings)))
    assert value(found, "kb_index_up") == 0 and value(found, "process_resident_memory_bytes") > 0


def test_figures_need_a_key_where_keys_are_asked_for(tmp_path: Path) -> None:
    settings = Settings(index=tmp_path / "index", cache=CACHE)
    _, secret = KeyRing(settings.index).add("prometheus", Role.READ)
    client = TestClient(create_app(settings))
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
