"""What tests share: a cache of their own, and the sample corpus ingested once."""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings

sys.modules["tests.conftest"] = sys.modules[__name__]  # one module, one encoder, by whatever name tests import it
SHARED = os.environ.get("KB_TESTS_FOLDER")  # of the process that started this one, where tests run side by side
CACHE = Path(SHARED or tempfile.mkdtemp(prefix="kb-tests-"))
os.environ |= {"KB_CACHE": str(CACHE), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "200"}
os.environ["KB_TESTS_FOLDER"] = str(CACHE)
os.environ["KB_HOSTS"] = "testserver"  # what starlette's test client calls the application
if "PYTEST_XDIST_WORKER" in os.environ:  # side by side, more threads only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kb import cli, model  # noqa: E402  (the settings above must stand before kb reads them)
from kb.build import Outcome, ingest  # noqa: E402
from kb.cli.common import err, out  # noqa: E402
from kb.embed import PACKAGED_NAMES, Encoder, PackagedE5, Rows, open_encoder  # noqa: E402
from kb.search import Library  # noqa: E402
from kb.settings import Settings, load_settings  # noqa: E402

hypothesis_settings.register_profile("kb", deadline=None)  # a busy machine is no failure
hypothesis_settings.load_profile("kb")

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "corpus"

LONGEST = (
    "cli faults jobs hostile shared adapt api embed guard page retag watch evaluate picture years tag pool ocr grid"
    " lock boxes derived backup links confidence late fuzz"
).split()
"""The files of tests that take longest, in the order in which they are begun, so that none runs on alone at the end.
Of the first three, which are begun at once, one ingests the sample corpus, and the others do not wait for it."""


class Silent:
    """Progress that only keeps what became of each file."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def start(self, path: Path, pages: int) -> None: ...

    def pages(self, count: int) -> None: ...

    def embedding(self, total: int) -> None: ...

    def embedded(self, done: int) -> None: ...

    def finish(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


class Quick:
    """An encoder for tests that ask nothing of the vectors."""

    name, dim = "quick", 4

    def passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None):
        return np.full((len(texts), 4), 0.5, np.float32)

    queries = passages


class Remembering(PackagedE5):
    """The packaged encoder, which embeds the same texts once: each new index asks for those of the topics, 4 s."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._known: dict[tuple[str, ...], Rows] = {}

    def passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Rows:
        known = self._known.get(tuple(texts))
        if known is None:
            known = self._known[tuple(texts)] = super().passages(texts, on_progress)
        return known.copy()


@cache
def encoder() -> Remembering:
    """The packaged encoder, unpacked once for all tests."""
    return Remembering(CACHE)


def shared_encoder(name: str, folder: Path) -> Encoder:
    """What `open_encoder` gives; the packaged one in the tests' cache is the one of all tests."""
    return encoder() if name in PACKAGED_NAMES and folder == CACHE else open_encoder(name, folder)


@pytest.fixture(scope="session", autouse=True)
def _one_encoder() -> Iterator[None]:
    """Applications and commands of this process take that one too, instead of loading their own."""
    with patch.object(model, "open_encoder", shared_encoder):
        yield


def run_kb(*words: object, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line as in a process of its own, but in this one: there each command takes a second to start, and
    more to load the model. A server needs its own: it takes the signals and the logging of its process."""
    if words[:1] == ("serve",):
        return start_kb(*words, folder=folder, **env)
    command = ["kb", *map(str, words)]
    stdout, stderr = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with as_a_process(command, folder, env), redirect_stdout(stdout), redirect_stderr(stderr):
        status = exit_status()
    return subprocess.CompletedProcess(command, status, written(stdout), written(stderr))


def start_kb(*words: object, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, for tests of what only a process has."""
    return subprocess.run(
        [sys.executable, "-m", "kb.cli", *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | env,
        cwd=folder,
        timeout=300,
        check=False,
    )


@contextmanager
def as_a_process(command: list[str], folder: Path, env: dict[str, str]) -> Iterator[None]:
    """What a process has of its own: words, environment, working folder, settings, the width of what it prints."""
    with (
        chdir(folder),
        patch.dict(os.environ, env),
        patch.object(sys, "argv", command),
        patch.object(sys.modules["__main__"], "__package__", ""),  # else messages call the command by pytest's name
        patch.object(sys, "excepthook", sys.excepthook),  # typer sets its own
    ):
        load_settings.cache_clear()
        widths = out.width, err.width
        out.width = err.width = int(os.environ["COLUMNS"])
        try:
            yield
        finally:
            out.width, err.width = widths
            load_settings.cache_clear()


def exit_status() -> int:
    """Run the command line to its end; what it does not catch is printed, as by Python."""
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception:  # the process would end so
        traceback.print_exc()
        return 1
    return 0


def written(stream: io.TextIOWrapper) -> str:
    """What was written to a stream, with the ends of lines that subprocess gives."""
    stream.flush()
    stream.buffer.seek(0)
    return io.TextIOWrapper(stream.buffer, "utf-8").read()


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, since many tests wait for processes and clocks."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order above, then the others."""
    order = {f"test_{name}": at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_unconfigure() -> None:
    """Remove the shared folder, by the process that made it."""
    if not SHARED:
        shutil.rmtree(CACHE, ignore_errors=True)


@pytest.fixture(scope="session")
def library_settings() -> Settings:
    """Settings whose index holds the sample corpus, made once for all processes. Tests only read it; those that write
    make a copy."""
    settings = Settings(index=CACHE / "corpus" / "index", cache=CACHE)
    with FileLock(CACHE / "corpus.lock"):
        if not (CACHE / "corpus.done").exists():
            report = ingest([CORPUS], settings, encoder, Silent())
            assert not report.failed
            (CACHE / "corpus.done").touch()
    return settings


@pytest.fixture
def copied_settings(library_settings: Settings, tmp_path: Path) -> Settings:
    """A copy of that index, to be written to."""
    return copy_index(library_settings, tmp_path)


def copy_index(settings: Settings, folder: Path) -> Settings:
    """Settings whose index is a copy in a folder, without what tests left there: figures, logs, notes of locks."""
    kept = {"kb.sqlite", "kb.sqlite-wal", "derived"}
    shutil.copytree(
        settings.index,
        folder / "index",
        ignore=lambda within, names: set(names) - kept if Path(within) == settings.index else set(),
    )
    return settings.model_copy(update={"index": folder / "index"})


@pytest.fixture(scope="session")
def library(library_settings: Settings) -> Iterator[Library]:
    """The sample corpus, open for questions."""
    with Library.open(library_settings, encoder()) as opened:
        yield opened


@pytest.fixture
def tiny_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sentence-transformers folder: BERT of one layer, width 16, random weights, one token a character."""

    def write(name: str, prompts: dict[str, str], known: str = "开放银行短") -> Path:
        import torch
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import BertConfig, BertModel

        folder = tmp_path / name
        torch.manual_seed(7)
        characters = dict.fromkeys(f"querypassage: {known}Q>", None)
        vocabulary = {piece: number for number, piece in enumerate(["[PAD]", "[UNK]", *characters])}
        config = BertConfig(
            vocab_size=len(vocabulary),
            max_position_embeddings=64,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        )
        BertModel(config).save_pretrained(folder)
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        tokenizer.save(str(folder / "tokenizer.json"))
        kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
        configs = {
            "tokenizer_config.json": {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "pad_token": "[PAD]",
                "unk_token": "[UNK]",
                "model_max_length": 64,
            },
            "1_Pooling/config.json": {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True},
            "modules.json": [
                {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for n, (path, kind) in enumerate(kinds)
            ],
            "config_sentence_transformers.json": {"prompts": prompts},
        }
        (folder / "1_Pooling").mkdir()
        for file, content in configs.items():
            (folder / file).write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write
