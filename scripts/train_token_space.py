"""Learns where tokens of questions and passages are compared (kb.late), from the sample corpus alone, in a minute.

    kb ingest corpus --index DIR
    python scripts/train_token_space.py --index DIR

Written to src/kb/data/token_space.npz: the columns that keep most of the packaged model's token vectors, what a step of
8 bits is in each, and the weight of each of the tokenizer's pieces: the logarithm of its rarity among the passages, 0
where it stands in more than three tenths of them. What indexes hold is of one such space: with a new one, raise
SCHEMA_VERSION (kb.rows).
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from kb.catalogue import STORE_FILE
from kb.e5_forward import Forward
from kb.e5_image import IMAGE, read_image
from kb.embed import E5_PROMPTS, clean
from kb.late import FILE, PREFIX, Rows, TokenSpace, write_token_space
from kb.settings import load_settings
from kb.store import Store
from kb.units import unit_text

TARGET = Path(__file__).parent.parent / "src/kb/data" / FILE

COLUMNS = 128
EVERYWHERE = 0.3
"""A piece that stands in a greater share of the passages does not count."""


def weigh(texts: list[list[int]], pieces: int) -> Rows:
    """The weight of each piece, by the tokens of passages."""
    counts = Counter(token for tokens in texts for token in set(tokens[PREFIX:-1]))
    held = np.zeros(pieces, np.float32)
    held[list(counts)] = list(counts.values())
    rarity = np.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
    return np.where(held > EVERYWHERE * len(texts), 0, rarity).astype(np.float32)


def main() -> None:
    """Read the passages, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, help="index of the sample corpus (default: the one of the settings)")
    index = parser.parse_args().index or load_settings().index
    image = read_image(IMAGE)
    forward = Forward(image)
    with Store.open(index / STORE_FILE) as store:
        passages = [stored.passage for stored in store.live_passages()]
    texts = [unit_text(passage, 0, len(passage.text), True) for passage in passages]
    found = [forward.read(E5_PROMPTS["document"] + clean(text)) for text in texts]
    weights = weigh([one.tokens for one in found], image.vocabulary)
    space = TokenSpace.learn([(one.tokens, one.vectors) for one in found], weights, COLUMNS)
    write_token_space(space, str(TARGET))
    kept = sum(len(space.keep(one.tokens, one.vectors)) for one in found)
    print(f"{len(found)} passages, {kept / len(found):.0f} pieces of each kept; {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
