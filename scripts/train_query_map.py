"""Trains the map that brings the packaged encoder's question rows nearer to how reports write.

    python scripts/train_query_map.py [--check]

`spoken_questions.jsonl` beside it holds pairs of our own: a question as people speak, and a text as reports are written
that answers it. The rows of both are made once; what is learnt is a small change of the question's row, such that it is
nearer to its text than to the others (in-batch negatives). Written to src/kb/data/query_map.npz. With --check, a fifth
of the pairs is left out five times over, and the rank of their texts among all is told, before and after; nothing is
written.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from kb.embed import PackagedE5
from kb.settings import load_settings

PAIRS = Path(__file__).with_name("spoken_questions.jsonl")
TARGET = Path(__file__).parent.parent / "src/kb/data/query_map.npz"

EPOCHS, BATCH, RATE = 60, 128, 1e-3
TEMPERATURE = 0.02
DECAY = 0.03
SEEDS = 3
"""The mean of so many runs depends less on the order of the pairs."""

STRENGTH = 0.5
"""How much of what was learnt is kept: questions in the words of reports are to stay where they are."""

Rows = torch.Tensor


def train(questions: Rows, texts: Rows, seed: int) -> tuple[Rows, Rows]:
    """The matrix (dim, dim) and shift (dim,) that one run learns from rows (pairs, dim)."""
    torch.manual_seed(seed)
    dim = questions.shape[1]
    matrix, shift = torch.zeros(dim, dim, requires_grad=True), torch.zeros(dim, requires_grad=True)
    optimizer = torch.optim.Adam([matrix, shift], lr=RATE)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(questions)), BATCH):
            own = questions[batch]
            moved = normalize(own + own @ matrix + shift, dim=1)
            loss = cross_entropy(moved @ texts[batch].T / TEMPERATURE, torch.arange(len(batch)))
            loss = loss + DECAY * ((matrix**2).sum() + (shift**2).sum())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return matrix.detach(), shift.detach()


def learn(questions: Rows, texts: Rows) -> tuple[Rows, Rows]:
    """The map: the mean of several runs, weakened."""
    runs = [train(questions, texts, seed) for seed in range(SEEDS)]
    matrices, shifts = zip(*runs, strict=True)
    return STRENGTH * torch.stack(matrices).mean(0), STRENGTH * torch.stack(shifts).mean(0)


def reciprocal_rank(questions: Rows, texts: Rows, wanted: Rows) -> float:
    """The mean reciprocal rank of each question's text among all texts."""
    order = (questions @ texts.T).argsort(dim=1, descending=True)
    ranks = (order == wanted[:, None]).float().argmax(dim=1) + 1
    return float((1 / ranks).mean())


def check(questions: Rows, texts: Rows) -> None:
    """Print how well questions that were not learnt from find their texts."""
    before, after = [], []
    for part in torch.randperm(len(questions), generator=torch.Generator().manual_seed(0)).chunk(5):
        kept = torch.ones(len(questions), dtype=torch.bool)
        kept[part] = False
        matrix, shift = learn(questions[kept], texts[kept])
        own = questions[part]
        before.append(reciprocal_rank(own, texts, part))
        after.append(reciprocal_rank(normalize(own + own @ matrix + shift, dim=1), texts, part))
    print(f"{len(questions)} pairs, left out by fifths: MRR {np.mean(before):.3f} before, {np.mean(after):.3f} after")


def main() -> None:
    """Train on all pairs, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="leave pairs out and tell how well they are found")
    options = parser.parse_args()
    pairs = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    encoder = PackagedE5(load_settings().cache)
    questions = torch.from_numpy(encoder.plain_queries([pair["query"] for pair in pairs]))
    texts = torch.from_numpy(encoder.passages([pair["text"] for pair in pairs]))
    if options.check:
        check(questions, texts)
        return
    matrix, shift = learn(questions, texts)
    np.savez_compressed(TARGET, matrix=matrix.numpy().astype(np.float16), shift=shift.numpy().astype(np.float16))
    print(f"{TARGET}: {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
