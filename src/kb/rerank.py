"""An optional reranker: any sentence-transformers CrossEncoder by name or folder, which reads question and passage."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from kb.embed import HUB_SECONDS, clean, cpu_precision, first_line, quiet
from kb.errors import ModelUnavailable
from kb.records import Passage
from kb.units import unit_text

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

RERANKED = 30
"""How many of the best candidates it is asked about."""

BATCH = 16


class Reranker:
    """A cross-encoder that is loaded when it is first asked. Safe to share between threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = Lock()

    def scores(self, question: str, passages: Sequence[Passage]) -> list[float]:
        """How well each passage answers, higher is better. Raises ModelUnavailable."""
        texts = [unit_text(passage, 0, len(passage.text), whole=True) for passage in passages]
        pairs = [(clean(question), clean(text)) for text in texts]
        with self._lock:
            found = self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False, convert_to_tensor=True)
        if found.ndim != 1:
            raise ModelUnavailable(
                f"the reranker {self.name!r} gives {found.shape[1]} scores a pair, not one; name another in KB_RERANKER"
            )
        return [float(score) for score in found.float().cpu()]

    @cached_property
    def _model(self) -> "CrossEncoder":
        return load_reranker(self.name)


@lru_cache(maxsize=1)
def open_reranker(name: str) -> Reranker | None:
    """The reranker that a setting names, none for an empty one; kept loaded when the index is opened anew."""
    return Reranker(name) if name else None


def load_reranker(name: str) -> "CrossEncoder":
    """The model of a folder or name: from the disk if it is there, else from the hub. Raises ModelUnavailable."""
    way_out = "set KB_RERANKER to the folder of a sentence-transformers CrossEncoder, or unset it to do without"
    on_disk = Path(name).is_dir()
    if not on_disk and name.startswith(("/", ".", "~")):
        raise ModelUnavailable(f"there is no folder {name!r}; {way_out}")
    try:
        with quiet():
            return _load(name, local_files_only=True)
    except Exception as error:  # a folder that lacks a file raises what the library beneath happens to raise
        if on_disk:
            raise ModelUnavailable(
                f"the folder {name} does not load as a CrossEncoder ({first_line(error)}); {way_out}"
            ) from error
    try:
        return _download(name)
    except Exception as error:  # no network, no such name, no room: the message holds which
        raise ModelUnavailable(
            f"the reranker {name!r} is neither a folder nor cached, and cannot be downloaded ({first_line(error)});"
            f" {way_out}"
        ) from error


def _download(name: str) -> "CrossEncoder":
    from huggingface_hub import model_info
    from huggingface_hub.errors import HfHubHTTPError

    with suppress(HfHubHTTPError):  # the hub answers; what it lacks, the loading below says better
        model_info(name, timeout=HUB_SECONDS)  # else a minute of tries and warnings without a network
    return _load(name, local_files_only=False)


def _load(name: str, local_files_only: bool) -> "CrossEncoder":
    from sentence_transformers import CrossEncoder
    from sentence_transformers.util import get_device_name

    device = get_device_name()
    settings = {"dtype": cpu_precision()} if device == "cpu" else {}
    model: CrossEncoder = CrossEncoder(name, device=device, local_files_only=local_files_only, model_kwargs=settings)
    return model
