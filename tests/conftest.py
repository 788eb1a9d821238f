"""What tests share: a cache of their own, and the sample corpus ingested once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings

SHARED = os.environ.get("KB_TESTS_FOLDER")  # of the process that started this one, where tests run side by side
CACHE = Path(SHARED or tempfile.mkdtemp(prefix="kb-tests-"))
os.environ |= {"KB_CACHE": str(CACHE), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "200"}
os.environ["KB_TESTS_FOLDER"] = str(CACHE)
os.environ["KB_HOSTS"] = "testserver"  # what starlette's test client calls the application

from kb.build import Outcome, ingest  # noqa: E402  (the settings above must stand before kb reads them)
from kb.embed import Encoder, open_encoder  # noqa: E402
from kb.search import Library  # noqa: E402
from kb.settings import Settings  # noqa: E402

hypothesis_settings.register_profile("kb", deadline=None)  # a busy machine is no failure
hypothesis_settings.load_profile("kb")

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "corpus"


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


@cache
def encoder() -> Encoder:
    """The packaged encoder, unpacked once for all tests."""
    return open_encoder("", CACHE)


def run_kb(*words: object, folder: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
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


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, since many tests wait for processes and clocks."""
    return (os.cpu_count() or 1) + 1


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
    """A copy of that index, to be written to, without what other tests left there: figures, logs, notes of locks."""
    kept = {"kb.sqlite", "kb.sqlite-wal", "derived"}
    shutil.copytree(
        library_settings.index,
        tmp_path / "index",
        ignore=lambda folder, names: set(names) - kept if Path(folder) == library_settings.index else set(),
    )
    return library_settings.model_copy(update={"index": tmp_path / "index"})


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
