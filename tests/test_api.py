"""The API over the sample corpus: every endpoint, every error as problem+json, and an index that changes meanwhile."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api import routes, schemas
from api.app import create_app
from api.problems import STATUS, documented, problem_status, problem_title, problem_type
from api.schemas import QUESTION, Record, example_of
from api.shelf import Shelf
from kb import database, errors
from kb.answer import ask
from kb.build import ingest, remove
from kb.catalogue import STORE_FILE
from kb.embed import open_encoder
from kb.errors import KbError
from kb.export import answer_json, exported_json, result_json
from kb.model import models_folder
from kb.records import Filters
from kb.reembed import reembed
from kb.search import Library
from kb.settings import Settings
from tests import pdfs
from tests.conftest import CACHE, CORPUS, Silent, encoder


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(library_settings)) as opened:
        yield opened


@pytest.fixture
def empty_settings(library_settings: Settings, tmp_path: Path) -> Settings:
    """Settings of an index that is not there yet."""
    return library_settings.model_copy(update={"index": tmp_path / "none", "workers": 1})


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A report of one page."""
    pdfs.one_column(tmp_path / "small.pdf", pages=1, seed=1)
    return tmp_path / "small.pdf"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another one."""
    pdfs.one_column(tmp_path / "other.pdf", pages=1, seed=2)
    return tmp_path / "other.pdf"


def get(client: TestClient, address: str, **query: object) -> Any:
    """The JSON of a request that succeeds."""
    response = client.get(address, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def problem(client: TestClient, address: str, **query: object) -> tuple[int, str, str]:
    """Status, kind and detail of a request that fails, checked for the form of RFC 9457."""
    response = client.get(address, params=query)
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "instance"}
    assert body["status"] == response.status_code
    assert body["instance"] == response.request.url.path
    assert body["title"] and body["detail"]
    return response.status_code, body["type"].removeprefix("urn:kb:problem:"), body["detail"]


# answers


def test_search_is_the_json_of_the_command_line(client: TestClient, library: Library) -> None:
    found = get(client, "/v1/search", q=QUESTION, top=7)
    assert found == result_json(library.search(QUESTION, 7))
    assert list(found["results"][0]) == list(result_json(library.search(QUESTION, 1))["results"][0])
    assert [hit["rank"] for hit in found["results"]] == [1, 2, 3, 4, 5, 6, 7]


def test_an_explanation_is_given_where_it_is_asked_for(client: TestClient) -> None:
    plain, told = (client.get("/v1/search", params={"q": QUESTION, "explain": explain}).json() for explain in (0, 1))
    assert "explanation" not in plain and "scores" not in plain["results"][0]
    assert told["explanation"]["words"] and told["results"][0]["scores"]["words"]
    assert [hit["passage_id"] for hit in plain["results"]] == [hit["passage_id"] for hit in told["results"]]


def test_search_gives_ten_results_unless_told(client: TestClient) -> None:
    assert len(get(client, "/v1/search", q="数据治理")["results"]) == 10


def test_repeated_filters_are_alternatives_and_different_ones_all_required(client: TestClient) -> None:
    found = get(client, "/v1/search", q="人才", year=[2021, 2023], dimension="组织", top=50)["results"]
    assert {hit["doc"]["year"] for hit in found} == {2021, 2023}
    assert {hit["dimension"] for hit in found} == {"组织"}
    assert get(client, "/v1/search", q="人才", topic="talent", top=5)["results"][0]["topics"].count("talent") == 1
    assert {hit["doc"]["file"] for hit in get(client, "/v1/search", q="人才", report="rural2020")["results"]} == {
        "rural2020.pdf"
    }


def test_bank_filter_takes_a_name(client: TestClient) -> None:
    found = get(client, "/v1/search", q="科技", bank="长沙银行")["results"]
    assert found and all("长沙银行" in hit["banks"] for hit in found)


def test_ask_is_the_json_of_the_command_line(client: TestClient, library: Library) -> None:
    answer = get(client, "/v1/ask", q=QUESTION)
    assert answer == answer_json(ask(library, QUESTION))
    assert not answer["abstained"]
    assert any(entry["bank"] for entry in answer["banks"])
    assert get(client, "/v1/ask", q=QUESTION, year=2023) == answer_json(ask(library, QUESTION, Filters(year=(2023,))))


def test_quotes_of_an_answer_stand_in_their_passages(client: TestClient) -> None:
    for entry in get(client, "/v1/ask", q=QUESTION)["banks"]:
        for point in entry["points"]:
            passage = get(client, f"/v1/passages/{point['passage_id']}")
            assert point["quote"] in passage["text"]
            assert set(point["citation"]["pages"]) <= {span["page"] for span in passage["spans"]}


def test_an_abstention_names_the_nearest_passages(library_settings: Settings) -> None:
    strict = library_settings.model_copy(update={"abstain_below": 1.1})
    with TestClient(create_app(strict)) as client:
        answer = get(client, "/v1/ask", q=QUESTION)
    assert answer["abstained"] and not answer["banks"]
    assert len(answer["nearest"]) == 3
    assert answer["coverage"]["documents"] >= 4


def test_documents_are_listed_without_their_place_on_the_server(client: TestClient, library: Library) -> None:
    listed = get(client, "/v1/documents")
    counts = library.store.count_passages()
    assert listed["generation"] == library.generation
    assert {entry["id"]: entry["passages"] for entry in listed["documents"]} == counts
    assert [entry["file"] for entry in listed["documents"]] == sorted(path.name for path in CORPUS.glob("*.pdf"))
    assert all(entry["status"] == "live" and entry["page_count"] for entry in listed["documents"])
    assert str(CORPUS) not in str(listed)
    for entry in listed["documents"]:
        assert get(client, f"/v1/documents/{entry['id']}") == entry


def test_files_that_could_not_be_read_are_named(empty_settings: Settings, small: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 and no more")
    ingest([small, broken], empty_settings, encoder, Silent())
    with TestClient(create_app(empty_settings)) as client:
        failures = get(client, "/v1/documents")["failures"]
    assert [failure["file"] for failure in failures] == ["broken.pdf"]
    assert failures[0]["reason"] and str(tmp_path) not in failures[0]["reason"]


def test_passages_are_chained_through_the_whole_report(client: TestClient, library: Library) -> None:
    order = [stored.passage.id for stored in library.store.passages_of(library.store.documents()[0].id)]
    walked: list[str] = []
    at: str | None = order[0]
    assert get(client, f"/v1/passages/{at}")["before"] is None
    while at:
        passage = get(client, f"/v1/passages/{at}")
        assert passage["before"] == (walked[-1] if walked else None)
        walked.append(at)
        at = passage["after"]
    assert walked == order


def test_a_passage_is_its_export_line_with_status_and_neighbours(client: TestClient, library: Library) -> None:
    stored = next(library.store.live_passages())
    found = get(client, f"/v1/passages/{stored.passage.id}")
    assert {key: found[key] for key in exported_json(stored)} == exported_json(stored)
    assert set(found) - set(exported_json(stored)) == {"status", "successor", "before", "after", "tags", "figures"}
    assert found["status"] == "live"
    assert [tag["value"] for tag in found["tags"]] == [tag.value for tag in stored.passage.tags]


def test_figures_are_filtered_and_come_in_parts(client: TestClient) -> None:
    every = get(client, "/v1/figures", limit=1000)
    assert every["total"] == len(every["figures"]) > 20
    part = get(client, "/v1/figures", limit=5, offset=3)
    assert (part["total"], part["figures"]) == (every["total"], every["figures"][3:8])
    bank = next(figure["banks"][0] for figure in every["figures"] if figure["banks"])
    of_bank = get(client, "/v1/figures", bank=bank, limit=1000)["figures"]
    assert of_bank == [figure for figure in every["figures"] if bank in figure["banks"]]
    percent = get(client, "/v1/figures", unit="%", limit=1000)["figures"]
    assert percent == [figure for figure in every["figures"] if figure["unit"] == "%"]
    name = percent[0]["name"]
    assert percent[0] in get(client, "/v1/figures", name=name, limit=1000)["figures"]


def test_cases_are_filtered_and_one_is_found_by_its_id(client: TestClient) -> None:
    every = get(client, "/v1/cases", limit=1000)
    assert every["total"] == len(every["cases"]) > 20
    of_bank = get(client, "/v1/cases", bank="青岛银行", report="cases2018.pdf")["cases"]
    assert [case["banks"] for case in of_bank] == [["青岛银行"]]
    assert get(client, f"/v1/cases/{of_bank[0]['id']}") == of_bank[0]
    assert get(client, "/v1/cases", limit=2, offset=1)["cases"] == every["cases"][1:3]
    passages = {identity for part in of_bank[0]["parts"] for identity in part["passages"]}
    assert {figure["passage_id"] for figure in of_bank[0]["figures"]} <= passages


def test_taxonomy_names_what_filters_take(client: TestClient) -> None:
    known = get(client, "/v1/taxonomy")
    assert [side["id"] for side in known["dimensions"]] == ["战略", "组织", "技术", "应用", "数据", "生态"]
    label = next(topic["label"] for topic in known["topics"] if topic["id"] == "talent")
    by_label, by_id = (get(client, "/v1/search", q="人才", topic=name) for name in (label, "talent"))
    assert by_label == by_id


def test_health_and_readiness(client: TestClient, library: Library) -> None:
    assert get(client, "/healthz")["status"] == "ok"
    assert get(client, "/readyz") == {"status": "ready", "generation": library.generation}


# errors


@pytest.mark.parametrize(
    ("query", "kind", "said"),
    [
        ({"q": ""}, "bad-query", "empty"),
        ({"q": " 　"}, "bad-query", "empty"),
        ({"q": "q" * 10_000}, "bad-query", "10000 characters"),
        ({"q": "问" * 7_000}, "bad-query", "7000 characters"),
        ({}, "invalid-request", "q: "),
        ({"q": "人才", "year": "去年"}, "invalid-request", "year: "),
        ({"q": "人才", "year": 10**30}, "invalid-request", "year: "),
        ({"q": "人才", "bank": "行" * 201}, "invalid-request", "bank: "),
        ({"q": "人才", "bank": ["长沙银行"] * 51}, "invalid-request", "bank: "),
        ({"q": "人才", "bank": "无此银行"}, "unknown-name", "无此银行"),
        ({"q": "人才", "dimension": "文化"}, "unknown-name", "组织"),
        ({"q": "人才", "topic": "no-such-topic"}, "unknown-name", "no-such-topic"),
        ({"q": "人才", "report": "1999.pdf"}, "unknown-name", "1999.pdf"),
    ],
)
@pytest.mark.parametrize("address", ["/v1/search", "/v1/ask"])
def test_requests_that_cannot_be_used(client: TestClient, address: str, query: dict, kind: str, said: str) -> None:
    status, found, detail = problem(client, address, **query)
    assert (status, found) == (422, kind)
    assert said in detail
    assert len(detail) < 500


@pytest.mark.parametrize("top", [0, -1, 101, "many"])
def test_top_goes_from_1_to_100(client: TestClient, top: object) -> None:
    assert problem(client, "/v1/search", q="人才", top=top)[:2] == (422, "invalid-request")
    response = client.get("/v1/search", params={"q": "人才", "top": top})
    assert [wrong["name"] for wrong in response.json()["errors"]] == ["top"]


@pytest.mark.parametrize("address", ["/v1/search", "/v1/ask"])
def test_filters_that_match_nothing(client: TestClient, address: str) -> None:
    status, kind, detail = problem(client, address, q="人才", year=1999)
    assert (status, kind) == (404, "nothing-matches")
    assert "year 1999" in detail


@pytest.mark.parametrize("address", ["/v1/documents/0000", "/v1/passages/0000"])
def test_ids_that_are_not_known(client: TestClient, address: str) -> None:
    status, kind, detail = problem(client, address)
    assert (status, kind) == (404, "not-found")
    assert "0000" in detail


@pytest.mark.parametrize(
    "address", ["/v2/search", "/v1", "/static/none.js", "/static/../app.py", "/static/%2e%2e/app.py"]
)
def test_addresses_that_there_are_not(client: TestClient, address: str) -> None:
    assert problem(client, address)[:2] == (404, "about:blank")


def test_methods_that_there_are_not(client: TestClient) -> None:
    response = client.post("/v1/search")
    assert response.status_code == response.json()["status"] == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"] == "GET"


def test_an_unexpected_error_says_nothing_of_its_inside(
    library_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(routes, "ask_library", fail)
    with TestClient(create_app(library_settings), raise_server_exceptions=False) as client:
        response = client.get("/v1/ask", params={"q": QUESTION})
        assert problem(client, "/v1/ask", q=QUESTION)[:2] == (500, "internal-error")
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


def test_no_index_at_start(empty_settings: Settings, small: Path) -> None:
    with TestClient(create_app(empty_settings)) as client:
        assert get(client, "/healthz")["status"] == "ok"
        assert client.get("/").status_code == 200
        for address in ("/v1/documents", "/v1/documents/1", "/v1/passages/1"):
            assert problem(client, address)[:2] == (409, "index-missing")
        assert problem(client, "/readyz")[:2] == (503, "index-missing")
        assert problem(client, "/v1/search", q="人才")[2].startswith("no index")
        ingest([small], empty_settings, encoder, Silent())
        assert get(client, "/readyz")["status"] == "ready"
        assert get(client, "/v1/search", q="人才")["results"]


def test_a_parameter_that_there_is_not_is_refused(library_settings: Settings) -> None:
    with TestClient(create_app(library_settings)) as client:
        status, kind, detail = problem(client, "/v1/search", q="人才", banks="青岛银行")
    assert (status, kind) == (422, "unknown-name")
    assert "banks" in detail


def test_a_damaged_index(empty_settings: Settings) -> None:
    empty_settings.index.mkdir()
    (empty_settings.index / STORE_FILE).write_bytes(b"no database at all, but long enough to be one" * 100)
    with TestClient(create_app(empty_settings)) as client:
        assert problem(client, "/readyz")[:2] == (503, "index-damaged")


def test_a_taxonomy_that_cannot_be_used_is_not_shown_with_its_place(copied_settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "mine.toml"
    broken.write_text("[x", "utf-8")
    with TestClient(create_app(copied_settings.model_copy(update={"taxonomy": broken}))) as client:
        status, kind, detail = problem(client, "/v1/documents")
    assert (status, kind) == (503, "bad-settings")
    assert str(tmp_path) not in detail


def test_an_index_of_another_model(copied_settings: Settings) -> None:
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE meta SET value = 'another' WHERE key = 'model'")
    db.close()
    with TestClient(create_app(copied_settings)) as client:
        status, kind, detail = problem(client, "/v1/ask", q="人才")
    assert (status, kind) == (409, "model-mismatch")
    assert "another" in detail


def test_an_index_that_another_process_holds(copied_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    db = sqlite3.connect(copied_settings.index / STORE_FILE, isolation_level=None)
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("BEGIN EXCLUSIVE")
    try:
        with TestClient(create_app(copied_settings)) as client:
            assert problem(client, "/readyz")[:2] == (503, "index-busy")
            db.close()
            assert get(client, "/readyz")["status"] == "ready"
    finally:
        db.close()


def test_a_model_that_does_not_load(library_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    without = library_settings.model_copy(update={"model": str(tmp_path / "model")})
    with TestClient(create_app(without)) as client:
        assert problem(client, "/readyz")[:2] == (503, "model-unavailable")


def test_every_error_has_a_status() -> None:
    assert problem_status(errors.QuoteNotFound("")) == 409
    for kind in STATUS:
        assert problem_status(kind("")) == STATUS[kind]
    assert (problem_type(errors.IndexMissing), problem_title(errors.IndexMissing)) == (
        "urn:kb:problem:index-missing",
        "Index missing",
    )
    subclass = type("MoreThanUnknown", (errors.UnknownName,), {})
    assert issubclass(subclass, KbError) and problem_status(subclass("")) == 422


# an index that changes


def files(client: TestClient) -> list[str]:
    """The files that are served."""
    return [entry["file"] for entry in get(client, "/v1/documents")["documents"]]


def test_changes_are_served_without_a_restart(empty_settings: Settings, small: Path, other: Path) -> None:
    ingest([small], empty_settings, encoder, Silent())
    with TestClient(create_app(empty_settings)) as client:
        assert files(client) == [small.name]
        before = get(client, "/readyz")["generation"]
        ingest([other], empty_settings, encoder, Silent())
        assert files(client) == [other.name, small.name]
        assert get(client, "/readyz")["generation"] > before
        assert get(client, "/v1/search", q="银行", report=other.name)["results"]
        remove(get(client, "/v1/documents")["documents"][1]["id"], empty_settings)
        assert files(client) == [other.name]
        assert problem(client, "/v1/search", q="人才", report=small.name)[:2] == (422, "unknown-name")


def test_a_replaced_report_keeps_its_passages(empty_settings: Settings, small: Path, other: Path) -> None:
    ingest([small], empty_settings, encoder, Silent())
    with TestClient(create_app(empty_settings)) as client:
        old = get(client, "/v1/search", q="人才", top=1)["results"][0]
        live = get(client, f"/v1/passages/{old['passage_id']}")
        shutil.copy(other, small)
        ingest([small], empty_settings, encoder, Silent())
        superseded = get(client, f"/v1/passages/{old['passage_id']}")
        assert superseded == {**live, "status": "superseded", "successor": superseded["successor"]}
        assert superseded["successor"]["doc"]["id"] != live["doc"]["id"]
        document = get(client, f"/v1/documents/{old['doc']['id']}")
        assert document["status"] == "superseded" and document["passages"]
        assert [entry["status"] for entry in get(client, "/v1/documents")["documents"]] == ["live"]
        assert old["passage_id"] not in str(get(client, "/v1/search", q="人才", top=100))


def test_an_index_folder_that_is_made_anew(empty_settings: Settings, small: Path, other: Path) -> None:
    ingest([small], empty_settings, encoder, Silent())
    with TestClient(create_app(empty_settings)) as client:
        assert files(client) == [small.name]
        shutil.rmtree(empty_settings.index)
        assert problem(client, "/readyz")[:2] == (503, "index-missing")
        ingest([other], empty_settings, encoder, Silent())
        assert get(client, "/readyz")["generation"] == 1
        assert files(client) == [other.name]


def test_a_request_keeps_its_library_when_the_index_moves_on(copied_settings: Settings) -> None:
    shelf = Shelf(copied_settings, at_once=3)
    with shelf.borrow() as old, shelf.borrow() as same:
        assert old is same
        remove(old.store.documents()[0].id, copied_settings)
        with shelf.borrow() as new:
            assert new.generation == old.generation + 1
            assert new.encoder is old.encoder
            assert len(new.store.documents()) == len(old.store.documents()) - 1
        assert old.search(QUESTION).hits
        assert old.store.document(old.store.documents()[0].id)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        old.store.documents()
    shelf.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        new.store.documents()


def test_a_server_follows_its_index_to_another_model(
    copied_settings: Settings, tiny_model: Callable[..., Path]
) -> None:
    shelf = Shelf(copied_settings, at_once=3)
    with shelf.borrow() as old:
        reembed(copied_settings, open_encoder(str(tiny_model("adapted-1", {})), CACHE), lambda done, total: None)
        models_folder(copied_settings.index).mkdir()
        shutil.move(tiny_model("other", {}), models_folder(copied_settings.index) / "adapted-1")
        with shelf.borrow() as new:
            assert (old.encoder.name, new.encoder.name) == (encoder().name, "adapted-1")
            assert new.search(QUESTION).hits and old.search(QUESTION).hits
    shelf.close()


def test_many_threads_while_the_index_moves_on(copied_settings: Settings) -> None:
    with TestClient(create_app(copied_settings)) as client, ThreadPoolExecutor(8) as threads:
        ids = [entry["id"] for entry in get(client, "/v1/documents")["documents"]]
        asked = [threads.submit(client.get, "/v1/ask", params={"q": QUESTION}) for _ in range(40)]
        for gone in ids[:2]:
            remove(gone, copied_settings)
        answers = [future.result() for future in asked]
        assert {answer.status_code for answer in answers} == {200}
        counts = {answer.json()["coverage"]["documents"] for answer in answers}
        assert counts <= {len(ids), len(ids) - 1, len(ids) - 2}
        assert get(client, "/v1/ask", q=QUESTION)["coverage"]["documents"] == len(ids) - 2


# the OpenAPI document and the pages


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> Any:
    return get(client, "/openapi.json")


def operations(openapi: Any) -> Iterator[tuple[str, Any]]:
    """Address and description of each endpoint."""
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_openapi_names_the_endpoints(openapi: Any) -> None:
    assert openapi["openapi"].startswith("3.1")
    assert set(openapi["paths"]) >= {
        "/v1/search", "/v1/ask", "/v1/documents", "/v1/documents/{id}", "/v1/passages/{id}", "/healthz", "/readyz",
    }  # fmt: skip
    names = [operation["operationId"] for _, operation in operations(openapi)]
    assert len(set(names)) == len(names)


def test_openapi_documents_problems_and_examples(openapi: Any) -> None:
    def resolved(schema: Any) -> Any:
        return {**schema, "components": openapi["components"]}

    for path, operation in operations(openapi):
        assert operation["description"], path
        failures = {status: given for status, given in operation["responses"].items() if status >= "400"}
        assert failures, path
        for given in failures.values():
            content = given["content"]["application/problem+json"]
            assert list(given["content"]) == ["application/problem+json"]
            for example in content["examples"].values():
                Draft202012Validator(resolved(content["schema"])).validate(example["value"])
        answers = operation["responses"].get("200", {}).get("content", {})
        if answers and not {"image/png", "text/plain", "text/event-stream"} & set(answers):
            answer = answers["application/json"]
            Draft202012Validator(resolved(answer["schema"])).validate(answer["example"])
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter["name"])
            for example in parameter["schema"]["examples"]:
                Draft202012Validator(parameter["schema"]).validate(example)


def test_openapi_refers_only_to_what_it_holds(openapi: Any) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (value["$ref"],) if "$ref" in value else ()
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from references(item)

    held = {f"#/components/schemas/{name}" for name in openapi["components"]["schemas"]}
    assert set(references(openapi)) <= held
    assert "#/components/schemas/HTTPValidationError" not in held
    for schema in openapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        assert all(field.get("description") or "$ref" in field for field in schema.get("properties", {}).values())


def test_examples_fit_their_models() -> None:
    models = [model for model in vars(schemas).values() if isinstance(model, type) and issubclass(model, Record)]
    for model in models:
        if model is not Record:
            assert model.model_validate(example_of(model)).model_dump() == example_of(model)


def test_documented_problems_say_when_they_occur() -> None:
    found = documented(errors.NotFound, asks=True)
    assert list(found) == [404, 422, 500]
    assert (
        found[404]["content"]["application/problem+json"]["examples"]["not-found"]["summary"] == errors.NotFound.__doc__
    )


@pytest.mark.parametrize("address", ["/", "/docs", "/static/page.js", "/static/page.css", "/v1/taxonomy", "/v2"])
def test_every_response_keeps_the_browser_safe(client: TestClient, address: str) -> None:
    headers = client.get(address).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("address", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere(client: TestClient, address: str) -> None:
    page = client.get(address)
    assert page.headers["content-type"].startswith("text/html")
    names = ["page.js", "page.css", "docs.js", "docs.css"]
    for text in (page.text, *(client.get(f"/static/{name}").text for name in names)):
        assert "http://" not in text and "https://" not in text
        assert "innerHTML" not in text and "<script>" not in text and " style=" not in text
