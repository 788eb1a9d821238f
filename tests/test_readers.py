"""Readers beside a writer: each sees a whole state, old or new, makes nothing itself, and meets no error."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from fastapi.testclient import TestClient

import kb.derived
from api.app import create_app
from kb.build import ingest, remove
from kb.catalogue import STORE_FILE
from kb.search import Library
from kb.settings import Settings
from kb.store import Store
from tests.conftest import Silent, encoder

QUESTION = "机房搬到沙漠的银行"
FILES = 6


def reports(folder: Path) -> list[Path]:
    """Reports, each of which answers the question better than what there is."""
    folder.mkdir()
    paths = [folder / f"report{number}.txt" for number in range(FILES)]
    for number, path in enumerate(paths):
        title = f"第{number + 1}家机房搬到沙漠的银行"
        text = f"{title}\n\n第{number + 1}年，甲{number}银行把机房搬到沙漠，{number + 3}个月后完工。\n"
        path.write_text(text, "utf-8")
    return paths


def present_documents(client: TestClient, settings: Settings) -> list[object]:
    """The reports that a server lists once it has followed the store; it may answer from the state before till then."""
    with Store.open(settings.index / STORE_FILE) as store:
        generation = store.generation()
    for _ in range(1000):
        listed = client.get("/v1/documents").json()
        if listed["generation"] == generation:
            return listed["documents"]
    raise AssertionError(f"the server stays at generation {listed['generation']}, the store is at {generation}")


@pytest.fixture
def nobody_makes_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that finds no derived indexes fails instead of making them."""

    def fail(*_: object) -> None:
        raise AssertionError("a reader had to make derived indexes")

    monkeypatch.setattr(kb.derived, "build_derived", fail)


@pytest.mark.usefixtures("nobody_makes_sets")
def test_searches_during_ingest_and_removal_see_whole_states(copied_settings: Settings, tmp_path: Path) -> None:
    paths, done = reports(tmp_path / "new"), Event()
    counts: list[list[int]] = []

    def search_until_done(client: TestClient) -> None:
        seen: list[int] = []
        while not done.is_set():
            answer = client.get("/v1/search", params={"q": QUESTION, "top": 30})
            assert answer.status_code == 200, answer.text
            seen.append(sum("机房搬到沙漠" in hit["text"] for hit in answer.json()["results"]))
        counts.append(seen)

    def open_until_done() -> None:
        seen: list[int] = []
        while not done.is_set():
            with Library.open(copied_settings, encoder()) as library:
                hits = library.search(QUESTION, 30).hits
            seen.append(sum("机房搬到沙漠" in hit.passage.text for hit in hits))
        counts.append(seen)

    with TestClient(create_app(copied_settings)) as client, ThreadPoolExecutor(4) as readers:
        at_work = [readers.submit(search_until_done, client) for _ in range(2)]
        at_work.append(readers.submit(open_until_done))
        try:
            assert not ingest(paths, copied_settings, encoder, Silent()).failed
            after = present_documents(client, copied_settings)
            for path in paths[:3]:
                remove(path.name, copied_settings)
        finally:
            done.set()
        for reader in at_work:
            reader.result()
        last = present_documents(client, copied_settings)
    assert len(after) == len(last) + 3
    assert len(counts) == 3
    for seen in counts:
        top = seen.index(max(seen))
        assert seen[:top] == sorted(seen[:top]) and seen[top:] == sorted(seen[top:], reverse=True)
    assert max(map(max, counts)) > 0


def test_a_server_follows_each_generation_without_a_restart(copied_settings: Settings, tmp_path: Path) -> None:
    (path, *_) = reports(tmp_path / "new")
    with TestClient(create_app(copied_settings)) as client:
        before = client.get("/readyz").json()["generation"]
        ingest([path], copied_settings, encoder, Silent())
        assert client.get("/readyz").json()["generation"] > before
        found = client.get("/v1/search", params={"q": QUESTION}).json()["results"]
        assert found[0]["doc"]["file"] == path.name
        remove(path.name, copied_settings)
        assert "沙漠" not in client.get("/v1/search", params={"q": QUESTION}).text.split('"results"')[1]
