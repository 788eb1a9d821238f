"""An optional reranker: any sentence-transformers CrossEncoder by name or folder, which reads question and passage."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from kb.embed import ModelKind, clean, load_from
from kb.errors import ModelUnavailable
from kb.records import Passage
from kb.units import unit_text

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

RERANKED = 30
"""How many of the best candidates it is asked about."""

BATCH = 16
RERANKER = ModelKind(
    "CrossEncoder",
    "reranker",
    "a CrossEncoder",
    "set KB_RERANKER to the folder of a sentence-transformers CrossEncoder, or unset it to do without",
)


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
    model: CrossEncoder = load_from(name, RERANKER)
    return model
