"""Which encoder an index is asked with: the one that is set, else its own adapted one, else the packaged one."""

from pathlib import Path

from kb.catalogue import STORE_FILE
from kb.embed import Encoder, open_encoder
from kb.errors import KbError, ModelMismatch, ModelUnavailable
from kb.settings import Settings
from kb.store import Store

ADAPTED = "adapted-"
"""How the names of models begin that were adapted to an index."""


def models_folder(index: Path) -> Path:
    """Where the models lie that were adapted to an index: they go where the index goes."""
    return index / "models"


def encoder_for(settings: Settings) -> Encoder:
    """The encoder for the index that the settings name, which need not be there yet. Raises ModelUnavailable."""
    chosen = model_of(settings)
    try:
        return open_encoder(chosen, settings.cache)
    except ModelUnavailable as error:
        if chosen == settings.model:
            raise
        raise ModelUnavailable(
            f"the model adapted to this index, {chosen}, does not load; put it back, or leave it with:"
            " KB_MODEL=default kb reembed"
        ) from error


def model_of(settings: Settings) -> str:
    """Folder or name of the model for an index: the one that is set, else its own; as `open_encoder` takes it."""
    return settings.model or own_model(settings.index)


def own_model(index: Path) -> str:
    """The folder of the adapted model that the vectors of an index come from; "" where there is none."""
    try:
        with Store.open(index / STORE_FILE) as store:
            folder = models_folder(index) / store.model().name
    except KbError:  # no index, or a damaged one: whoever opens it next says so
        return ""
    return str(folder) if folder.is_dir() else ""


def check_model(store: Store, encoder: Encoder, index: Path) -> None:
    """Raise ModelMismatch unless the encoder is the one that the index was made with."""
    made = store.model()
    if (made.name, made.dim) == (encoder.name, encoder.dim):
        return
    folder = models_folder(index) / made.name
    way_out = "set KB_MODEL to the first, or run: kb reembed"
    if folder.is_dir():
        way_out = "unset KB_MODEL, and the index finds its own"
    elif made.name.startswith(ADAPTED):
        way_out = f"put its folder {folder} back, or run: KB_MODEL=default kb reembed"
    raise ModelMismatch(
        f"the index {index} was made with {made.name!r} ({made.dim} columns), the model set is"
        f" {encoder.name!r} ({encoder.dim}); {way_out}"
    )
