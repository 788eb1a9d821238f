"""Page pictures, drawn and from the cache, beside a bare pypdfium2 rendering saved by PIL.

    python benchmarks/pictures.py [FOLDER] [--pages 40] [--scale 1.5]

The reports in FOLDER (default: corpus) are ingested, and pages spread over them taken in turns by kb and by the peer,
so that a busy machine slows both alike: the peer opens the file, renders the page at the same scale and saves it as
PNG; kb also finds the passage's lines again, marks them, and sends the picture from a process of its own.
"""

import argparse
import io
import tempfile
from pathlib import Path
from statistics import median

import pypdfium2
from systems import Silent
from timing import milliseconds, p95

from kb.build import ingest
from kb.catalogue import STORE_FILE
from kb.embed import open_encoder
from kb.picture import SCALE, Pictures, view_page
from kb.settings import load_settings
from kb.store import Store, StoredPassage

WANTED_DRAWN, WANTED_KEPT = 150, 30
"""Milliseconds that a picture should take at most."""


def bare(path: str, number: int, scale: float) -> int:
    """What the peer does; the bytes of its picture."""
    pdf, out = pypdfium2.PdfDocument(path), io.BytesIO()
    pdf[number - 1].render(scale=scale).to_pil().save(out, "PNG")
    pdf.close()
    return len(out.getvalue())


def spread(store: Store, count: int) -> list[StoredPassage]:
    """So many passages, spread over the reports, no two of one page."""
    pages = {(one.document.id, one.passage.pages[0]): one for one in store.live_passages()}
    found = list(pages.values())
    return found[:: max(len(found) // count, 1)][:count]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("corpus"))
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--scale", type=float, default=SCALE)
    wanted = parser.parse_args()
    settings = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        own = settings.model_copy(update={"index": Path(folder) / "index", "cache": Path(folder) / "cache"})
        ingest([wanted.folder], own, lambda: open_encoder(settings.model, settings.cache), Silent())
        with Store.open(own.index / STORE_FILE) as store, Pictures(own) as pictures:
            measure(store, pictures, spread(store, wanted.pages), wanted.scale)


def measure(store: Store, pictures: Pictures, passages: list[StoredPassage], scale: float) -> None:
    """Time each page once a side, after one that warms both up."""

    def picture(stored: StoredPassage) -> bytes:
        return pictures.picture(view_page(store, stored.document, stored.passage.pages[0], scale, stored))

    picture(passages[0])
    rows, sizes = [], []
    for stored in passages[1:]:
        path, number = stored.document.path, stored.passage.pages[0]
        peer = milliseconds(bare, path, number, scale)
        drawn = milliseconds(picture, stored)
        rows.append((peer, drawn, milliseconds(picture, stored)))
        sizes.append((bare(path, number, scale), len(picture(stored))))
    peers, drawn, kept = zip(*rows, strict=True)
    print(f"{len(rows)} pages at {scale:g} pixels a point; milliseconds, median and p95")
    print(f"pypdfium2 and PIL  {median(peers):6.1f} {p95(peers):6.1f}   {median(a for a, _ in sizes) / 1024:5.0f} KB")
    print(f"kb, drawn          {median(drawn):6.1f} {p95(drawn):6.1f}   {median(b for _, b in sizes) / 1024:5.0f} KB")
    print(f"kb, from the cache {median(kept):6.1f} {p95(kept):6.1f}")
    first, again = median(b / a for a, b, _ in rows), median(c / a for a, _, c in rows)
    print(f"drawn {first:.2f} times the peer, from the cache {again:.2f}")
    print(f"wanted: drawn under {WANTED_DRAWN}, from the cache under {WANTED_KEPT}")


if __name__ == "__main__":
    main()
