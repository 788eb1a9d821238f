"""The command line as its users call it: its exit status and what it prints, also in a process of its own."""

import csv
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pdfs
import pyarrow.parquet
import pytest
from jsonschema import validate

from kb.cli import main
from kb.settings import Settings
from tests.conftest import CORPUS, ROOT, run_kb, start_kb

QUESTION = "银行怎么解决金融科技人才短缺"

RESULT_FIELDS = {
    "rank", "score", "passage_id", "doc", "pages", "heading", "text", "quote", "also", "banks", "mentions", "dimension",
    "topics", "role", "year", "region",
}  # fmt: skip


@pytest.fixture(scope="session")
def index(library_settings: Settings) -> Path:
    return library_settings.index


def test_search_prints_the_contract_as_json(index: Path) -> None:
    done = run_kb("search", QUESTION, "--top", 3, "--json", "--index", index)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) == {"id", "query", "abstained", "confidence", "filters", "understood", "results"}
    assert len(answer["results"]) == 3
    for result in answer["results"]:
        assert set(result) == RESULT_FIELDS
        assert set(result["doc"]) == {"id", "title", "file", "publisher", "year"}
        assert "".join(result["quote"].split()) in "".join(result["text"].split())


def test_an_explanation_is_printed_where_it_is_asked_for(index: Path) -> None:
    plain, told = (
        run_kb("search", "招不到人怎么办", "--top", 2, *more, "--index", index) for more in ((), ("--explain",))
    )
    assert plain.returncode == told.returncode == 0, told.stderr
    for word in ("权重", "BM25", "人才短缺"):
        assert word in told.stdout and word not in plain.stdout.splitlines()[0]
    assert "BM25" not in plain.stdout
    answer = json.loads(run_kb("search", QUESTION, "--top", 1, "--explain", "--json", "--index", index).stdout)
    assert answer["explanation"]["dense_weight"] == 0.75
    assert answer["results"][0]["scores"]["rerank"] is None


def test_what_the_question_names_and_what_was_filtered_is_told(index: Path) -> None:
    named = run_kb("search", "招行和青岛银行的零售，汉口银行呢", "--top", 1, "--dimension", "生态", "--index", index)
    first = named.stdout.splitlines()[0]
    assert first.startswith("按 生态 筛选；按 ") and "青岛银行" in first
    assert "语料中没有 汉口银行 的段落" in first


def test_search_for_a_person_names_source_and_page(index: Path) -> None:
    done = run_kb("search", QUESTION, "--top", 2, "--dimension", "组织", "--index", index)
    assert done.returncode == 0, done.stderr
    assert "组织" in done.stdout
    assert "页（" in done.stdout


def test_batch_keeps_order_and_goes_on_after_a_bad_line(index: Path, tmp_path: Path) -> None:
    lines = [
        {"id": "b", "query": "数据治理", "filters": {"dimension": "数据"}},
        {"id": "a", "query": "", "filters": {}},
        {"id": "c", "query": "网点", "filters": {"bank": "青岛银航"}},
        {"query": "手机银行", "filters": None},
    ]
    batch = tmp_path / "batch.jsonl"
    batch.write_text("\n".join([*(json.dumps(line, ensure_ascii=False) for line in lines), "no json", "[1]"]), "utf-8")
    done = run_kb("search", "--batch", batch, "--top", 2, "--json", "--index", index)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["b", "a", "c", 4, 5, 6]
    assert ["error" in answer for answer in answers] == [False, True, True, False, True, True]
    assert all(result["dimension"] == "数据" for result in answers[0]["results"])


def test_ask_answers_by_bank_with_citations(index: Path) -> None:
    done = run_kb("ask", QUESTION, "--json", "--index", index)
    answer = json.loads(done.stdout)
    assert answer["banks"]
    for bank in answer["banks"]:
        for point in bank["points"]:
            assert point["citation"]["title"] and point["citation"]["pages"] and point["quote"]
    spoken = run_kb("ask", QUESTION, "--index", index)
    assert "检索 4 份报告" in spoken.stdout
    assert "行业整体" in spoken.stdout


EXPORTED = {
    "type": "object",
    "required": [
        "passage_id",
        "doc",
        "pages",
        "heading",
        "text",
        "banks",
        "mentions",
        "dimension",
        "topics",
        "role",
        "year",
        "region",
        "kind",
        "spans",
    ],
    "additionalProperties": False,
    "properties": {
        **{name: {"type": "string"} for name in ("passage_id", "dimension", "role", "region")},
        "text": {"type": "string", "minLength": 1},
        "kind": {"enum": ["text", "case", "table", "list", "quote"]},
        "doc": {"type": "object"},
        "year": {"type": ["integer", "null"]},
        "pages": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
        **{name: {"type": "array", "items": {"type": "string"}} for name in ("heading", "banks", "mentions", "topics")},
        "spans": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["page", "start", "end"]}},
    },
}


def test_export_gives_every_passage_in_three_formats(index: Path, tmp_path: Path) -> None:
    lines = run_kb("export", "--index", index).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        validate(record, EXPORTED)
    assert run_kb("export", "--format", "csv", "-o", tmp_path / "p.csv", "--index", index).returncode == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text("utf-8"), newline="")))
    assert [row["passage_id"] for row in rows] == [record["passage_id"] for record in records]
    assert [row["text"] for row in rows] == [record["text"] for record in records]
    assert [row["doc"] for row in rows] == [record["doc"]["id"] for record in records]
    assert rows[0]["spans"].count("；") == len(records[0]["spans"]) - 1
    assert run_kb("export", "--format", "parquet", "-o", tmp_path / "p.parquet", "--index", index).returncode == 0
    assert pyarrow.parquet.read_table(tmp_path / "p.parquet").to_pylist() == records


def test_status_and_verify(index: Path) -> None:
    told = json.loads(run_kb("status", "--json", "--index", index).stdout)
    assert {document["file"] for document in told["documents"]} == {path.name for path in CORPUS.glob("*.pdf")}
    assert told["model"]["dim"] == 384
    assert run_kb("status", "--index", index).stdout.count(".pdf") == 4
    verified = run_kb("verify", "--json", "--index", index)
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["problems"] == []


def test_ingest_and_remove(tmp_path: Path) -> None:
    index = tmp_path / "index"
    done = run_kb("ingest", CORPUS / "survey2023.pdf", "--json", "--index", index)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["outcome"] == "added"
    again = run_kb("ingest", CORPUS / "survey2023.pdf", "--json", "--index", index)
    assert json.loads(again.stdout)["files"][0]["outcome"] == "unchanged"
    assert run_kb("remove", "survey2023.pdf", "--index", index).returncode == 0
    assert run_kb("remove", "survey2023.pdf", "--index", index).returncode == 1
    left = run_kb("search", QUESTION, "--json", "--index", index)
    assert json.loads(left.stdout)["results"] == []
    assert json.loads(left.stdout)["abstained"] is True


def test_a_broken_file_gives_exit_status_one_after_the_others(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "a.pdf").write_bytes(b"%PDF-1.4 nothing")
    (reports / "b.pdf").write_bytes((CORPUS / "survey2023.pdf").read_bytes())
    done = run_kb("ingest", reports, "--index", tmp_path / "index")
    assert done.returncode == 1
    assert "a.pdf" in done.stderr and "1 of 2" in done.stderr
    told = json.loads(run_kb("status", "--json", "--index", tmp_path / "index").stdout)
    assert [document["file"] for document in told["documents"]] == ["b.pdf"]
    assert "a.pdf" in told["failures"][0]["reason"]


def test_an_encrypted_report_is_read_with_its_password_which_is_kept_nowhere(tmp_path: Path) -> None:
    report, index, secret = tmp_path / "locked.pdf", tmp_path / "index", "pass word 1"
    words = pdfs.encrypted(report, secret)
    (tmp_path / "passwords").write_text(f"first\n{secret}\n", "utf-8")
    without = run_kb("ingest", report, "--index", index)
    wrong = run_kb("ingest", report, "--index", index, "--password", "wr0ng", "--password", "again")
    for done in (without, wrong):
        assert done.returncode == 1
        assert "locked.pdf: needs a password" in done.stderr and "wr0ng" not in done.stdout + done.stderr
    done = run_kb("ingest", report, "--json", "--index", index, KB_PASSWORD_FILE=str(tmp_path / "passwords"))
    assert done.returncode == 0, done.stderr
    assert words in run_kb("export", "--index", index).stdout
    kept = b"".join(path.read_bytes() for path in index.rglob("*") if path.is_file())
    told = run_kb("status", "--json", "--index", index).stdout + done.stdout + done.stderr
    assert secret.encode() not in kept and b"wr0ng" not in kept and secret not in told


def test_metadata_by_hand_on_the_command_line(copied_settings: Settings) -> None:
    def titles() -> dict[str, object]:
        told = json.loads(run_kb("status", "--json", "--index", copied_settings.index).stdout)
        return {document["file"]: (document["title"], document["year"]) for document in told["documents"]}

    report, before = CORPUS / "survey2023.pdf", titles()
    done = run_kb("ingest", report, "--title", "另一个题", "--year", 2020, "--json", "--index", copied_settings.index)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["outcome"] == "updated"
    assert titles() == before | {"survey2023.pdf": ("另一个题", 2020)}
    for words, status, told in (
        ((CORPUS, "--title", "题"), 2, "single file"),
        ((report, report, "--year", 2020), 2, "single file"),
        ((report, "--year", 20), 1, "year"),
        ((report, "--kind", "论文"), 1, "论文"),
    ):
        refused = run_kb("ingest", *words, "--index", copied_settings.index)
        assert (refused.returncode, told in refused.stderr) == (status, True), refused.stderr


def test_a_text_file_is_cited_by_section(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"# 报告\n\n## 一、人才\n\n{pdfs.prose(1, 150)}", "utf-8")
    index = tmp_path / "index"
    assert run_kb("ingest", tmp_path, "--index", index).returncode == 0
    assert "报告，第 1 节（a.md）" in run_kb("search", "客户经理怎么做", "--index", index).stdout


def test_eval_prints_figures(index: Path) -> None:
    done = run_kb("eval", CORPUS / "gold.jsonl", "--json", "--index", index)
    figures = {row["type"]: row["values"] for row in json.loads(done.stdout)["figures"]}
    assert 0 < figures["all"]["ndcg"] <= 1
    assert "how" in run_kb("eval", CORPUS / "gold.jsonl", "--index", index).stdout


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["search", ""], 1, "empty"),
        (["search", "问" * 10_000], 1, "10000 characters"),
        (["search", "银行", "--top", "0"], 1, "top is 0"),
        (["search", "。。。？"], 1, "empty of words"),
        (["search", "--batch", "corpus/gold.jsonl", "--bank", "青岛银行"], 2, "--batch"),
        (["remove", "调研"], 1, "survey2023.pdf"),
        (["export", "--format", "parquet", "-o", "/no/such/folder/p.parquet"], 1, "/no/such/folder"),
        (["export", "-o", "/no/such/folder/p.jsonl"], 1, "/no/such/folder"),
        (["search", "银行", "--bank", "青岛银航"], 1, "青岛银行"),
        (["search", "银行", "--year", "1999"], 1, "year 1999"),
        (["search", "银行", "--year", "last"], 2, "last"),
        (["search"], 2, "question"),
        (["search", "银行", "--batch", "missing.jsonl"], 2, "either"),
        (["search", "--batch", "missing.jsonl"], 1, "missing.jsonl"),
        (["ask", " "], 1, "empty"),
        (["ingest", "missing.pdf"], 1, "missing.pdf"),
        (["ingest", "tests"], 1, "no PDF in this folder"),
        (["remove", "missing.pdf"], 1, "missing.pdf"),
        (["export", "--format", "xml"], 2, "xml"),
        (["export", "--format", "parquet"], 2, "parquet"),
        (["eval", "missing.jsonl"], 1, "missing.jsonl"),
        (["sing"], 2, "sing"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_status(
    copied_settings: Settings, words: list[str], status: int, told: str
) -> None:
    done = run_kb(*words, KB_INDEX=str(copied_settings.index))
    assert done.returncode == status, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    if status == 1:
        assert done.stderr.strip().count("\n") == 0
    assert run_kb("verify", KB_INDEX=str(copied_settings.index)).returncode == 0


def test_an_index_that_is_not_there_or_not_ours(tmp_path: Path) -> None:
    missing = run_kb("search", "银行", "--index", tmp_path / "none")
    assert missing.returncode == 1
    assert "kb ingest" in missing.stderr
    (tmp_path / "kb.sqlite").write_text("no database " * 100)
    damaged = run_kb("search", "银行", "--index", tmp_path)
    assert damaged.returncode == 1
    assert "kb.sqlite" in damaged.stderr and "Traceback" not in damaged.stderr


def test_a_settings_file_or_cache_that_cannot_be_used(index: Path, tmp_path: Path) -> None:
    (tmp_path / "kb.toml").write_text("workers = = 2")
    done = run_kb("search", "银行", "--index", index, folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "kb.toml" in done.stderr
    done = start_kb("search", "银行", "--index", index, KB_CACHE="/dev/null/cache")  # this process has one
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "KB_CACHE" in done.stderr


def test_a_line_separator_within_a_query_is_no_line_break(index: Path, tmp_path: Path) -> None:
    (tmp_path / "batch.jsonl").write_text('{"id": 1, "query": "数据\u2028治理"}\n', "utf-8")
    answers = run_kb("search", "--batch", tmp_path / "batch.jsonl", "--index", index).stdout.split("\n")
    assert json.loads(answers[0])["results"]


def test_status_says_why_a_page_could_not_be_read(copied_settings: Settings) -> None:
    with sqlite3.connect(copied_settings.index / "kb.sqlite") as db:
        db.execute("UPDATE pages SET problem = 'no text layer (scan or picture)' WHERE number = 5")
    db.close()
    told = run_kb("status", "--index", copied_settings.index).stdout
    assert "survey2023.pdf page 5: no text layer" in told


def test_settings_that_cannot_be_used(index: Path) -> None:
    done = run_kb("search", "银行", "--index", index, KB_WORKERS="many")
    assert done.returncode == 1
    assert "KB_WORKERS" in done.stderr
    done = run_kb("search", "银行", "--index", index, KB_MODEL="/no/such/model")
    assert done.returncode == 1
    assert "/no/such/model" in done.stderr


def test_another_model_from_ingest_to_search(tmp_path: Path, tiny_model: Callable[..., Path], index: Path) -> None:
    model, own = str(tiny_model("tiny-e5-zh", {})), tmp_path / "own"
    done = run_kb("ingest", CORPUS / "survey2023.pdf", "--index", own, KB_MODEL=model)
    assert done.returncode == 0, done.stderr
    found = run_kb("search", QUESTION, "--json", "--index", own, KB_MODEL=model)
    assert len(json.loads(found.stdout)["results"]) == 10
    for other, settings in ((own, {}), (index, {"KB_MODEL": model})):
        refused = run_kb("search", QUESTION, "--index", other, **settings)
        assert refused.returncode == 1
        assert "tiny-e5-zh" in refused.stderr and "(16" in refused.stderr and "384" in refused.stderr


def test_an_index_damaged_in_its_middle_is_named(copied_settings: Settings) -> None:
    path = copied_settings.index / "kb.sqlite"
    content = bytearray(path.read_bytes())
    content[20_000:-20_000] = b"\xff" * (len(content) - 40_000)
    path.write_bytes(bytes(content))
    for words in (["search", "银行"], ["status"], ["export"], ["verify"], ["ingest", CORPUS / "survey2023.pdf"]):
        done = run_kb(*words, "--index", copied_settings.index)
        assert done.returncode == 1, words
        assert "kb.sqlite" in done.stderr and "Traceback" not in done.stderr, words


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["search", QUESTION, "--top", "2"], 0),
        (["ask", QUESTION, "--json"], 0),
        (["status", "--json"], 0),
        (["ingest", "missing.pdf"], 1),
        (["export"], 0),
        (["eval", "missing.jsonl"], 1),
        (["adapt", "--gold", "missing.jsonl"], 2),
        (["compare", QUESTION], 0),
        (["quote", "nope"], 1),
        (["page", "nope", "-o", "nope.png"], 1),
        (["saved", "list", "--json"], 0),
        (["key", "list", "--json"], 0),
        (["backup", "missing.zip", "--check"], 1),
        (["watch", "--once", "--digest", "html", "."], 2),
        (["sing"], 2),
    ],
)
def test_a_process_of_its_own_says_the_same(index: Path, words: list[str], status: int) -> None:
    """Each group of commands, beside `run_kb`, which runs all other tests' commands in this process."""
    alone, here = start_kb(*words, KB_INDEX=str(index)), run_kb(*words, KB_INDEX=str(index))
    assert (alone.returncode, here.returncode) == (status, status)
    assert (alone.stdout, alone.stderr.replace("python -m kb.cli", "kb")) == (here.stdout, here.stderr)


def test_the_installed_command_is_the_one_that_is_tested() -> None:
    [entry] = entry_points(group="console_scripts", name="kb")
    assert entry.load() is main


def test_help_teaches_every_command() -> None:
    told = run_kb("--help").stdout
    for command in ("ingest", "search", "ask", "export", "status", "verify", "remove", "serve", "eval"):
        assert command in told
        assert "--index" in run_kb(command, "--help").stdout
    assert run_kb("--version").stdout.startswith("kb ")


def test_serve_answers_until_it_is_ended(index: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "kb.cli", "serve", "--port", str(port), "--index", str(index)]
    away = {"KB_INDEX": str(tmp_path / "another")}
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | away, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert b'"ok"' in fetch(f"http://127.0.0.1:{port}/healthz")
            assert b"survey2023.pdf" in fetch(f"http://127.0.0.1:{port}/v1/documents")  # of the index that was named
            busy = run_kb("serve", "--port", port, "--index", index)
            assert busy.returncode == 1
            assert "--port" in busy.stderr
        finally:
            server.terminate()
            told = server.communicate()[1]
    assert f"http://127.0.0.1:{port}/" in told
    assert QUESTION in told


def fetch(address: str) -> bytes:
    """What an address gives, once its server is up."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")
