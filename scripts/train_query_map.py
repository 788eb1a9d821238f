"""Trains the map that brings the packaged encoder's question rows nearer to how reports write.

    python scripts/train_query_map.py [--check]

`spoken_questions.jsonl` beside it holds needs of our own: each with questions, as people speak and in plain words, and
with texts as reports are written that answer them; many with a near miss, which looks like an answer and is none. The
rows of all are made once; what is learnt is a small change of a question's row, such that it is nearer to a text of its
need than to the near misses and to the texts of other needs in its batch. Written to src/kb/data/query_map.npz. With
--check, a fifth of the needs is left out five times over, and the rank of the first text of each among all texts is
told, before and after; nothing is written.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from kb.embed import QUERY_MAP, PackagedE5, QueryMap
from kb.settings import load_settings

NEEDS = Path(__file__).with_name("spoken_questions.jsonl")
TARGET = Path(__file__).parent.parent / "src/kb/data" / QUERY_MAP

EPOCHS, BATCH, RATE = 40, 256, 1e-3
TEMPERATURE = 0.02
DECAY = 0.03
SEEDS = 3
"""The mean of so many runs depends less on the order of the needs."""

STRENGTH = 0.7
"""How much of what was learnt is kept: questions in the words of reports are to stay where they are."""

Rows = torch.Tensor


@dataclass(frozen=True, slots=True)
class Need:
    """The rows of one need: (questions, dim), (texts, dim), and (0 or 1, dim) of its near miss."""

    questions: Rows
    texts: Rows
    miss: Rows


def train(needs: list[Need], seed: int) -> tuple[Rows, Rows]:
    """The matrix (dim, dim) and shift (dim,) that one run learns."""
    torch.manual_seed(seed)
    dim = needs[0].questions.shape[1]
    matrix, shift = torch.zeros(dim, dim, requires_grad=True), torch.zeros(dim, requires_grad=True)
    optimizer = torch.optim.Adam([matrix, shift], lr=RATE)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(needs)), BATCH):
            chosen = [needs[at] for at in batch]
            own = torch.stack([any_of(need.questions) for need in chosen])
            texts = torch.cat([torch.stack([any_of(need.texts) for need in chosen]), *(need.miss for need in chosen)])
            loss = cross_entropy(moved(own, matrix, shift) @ texts.T / TEMPERATURE, torch.arange(len(own)))
            loss = loss + DECAY * ((matrix**2).sum() + (shift**2).sum())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return matrix.detach(), shift.detach()


def any_of(rows: Rows) -> Rows:
    """One of the rows by chance, (dim,)."""
    return rows[int(torch.randint(len(rows), ()))]


def moved(rows: Rows, matrix: Rows, shift: Rows) -> Rows:
    """Rows of questions (n, dim) as the map moves them, of unit length."""
    return normalize(rows + rows @ matrix + shift, dim=1)


def learn(needs: list[Need]) -> tuple[Rows, Rows]:
    """The map: the mean of several runs, weakened."""
    runs = [train(needs, seed) for seed in range(SEEDS)]
    matrices, shifts = zip(*runs, strict=True)
    return STRENGTH * torch.stack(matrices).mean(0), STRENGTH * torch.stack(shifts).mean(0)


def reciprocal_rank(questions: Rows, texts: Rows, owners: Rows, wanted: Rows) -> float:
    """The mean reciprocal rank of the first text of each question's need among all texts."""
    order = (questions @ texts.T).argsort(dim=1, descending=True)
    ranks = (owners[order] == wanted[:, None]).float().argmax(dim=1) + 1
    return float((1 / ranks).mean())


def check(needs: list[Need]) -> None:
    """Print how well the questions of needs that were not learnt from find their texts."""
    texts = torch.cat([need.texts for need in needs])
    owners = torch.cat([torch.full((len(need.texts),), at) for at, need in enumerate(needs)])
    before, after = [], []
    for part in torch.randperm(len(needs), generator=torch.Generator().manual_seed(0)).chunk(5):
        out = set(part.tolist())
        matrix, shift = learn([need for at, need in enumerate(needs) if at not in out])
        own = torch.cat([needs[at].questions for at in part])
        wanted = torch.cat([torch.full((len(needs[at].questions),), int(at)) for at in part])
        before.append(reciprocal_rank(own, texts, owners, wanted))
        after.append(reciprocal_rank(moved(own, matrix, shift), texts, owners, wanted))
    print(f"{len(needs)} needs, left out by fifths: MRR {np.mean(before):.3f} before, {np.mean(after):.3f} after")


def read_needs() -> list[Need]:
    """The needs with their rows."""
    given = [json.loads(line) for line in NEEDS.read_text("utf-8").splitlines()]
    parts = [(need["queries"], need["texts"], [need["near"]] if "near" in need else []) for need in given]
    encoder = PackagedE5(load_settings().cache)
    questions = torch.from_numpy(encoder.plain_queries([text for asked, _, _ in parts for text in asked]))
    texts = torch.from_numpy(encoder.passages([text for _, told, miss in parts for text in (*told, *miss)]))
    asked_rows = torch.split(questions, [len(asked) for asked, _, _ in parts])
    told_rows = torch.split(texts, [len(told) + len(miss) for _, told, miss in parts])
    return [
        Need(asked, told[: len(part[1])], told[len(part[1]) :])
        for asked, told, part in zip(asked_rows, told_rows, parts, strict=True)
    ]


def main() -> None:
    """Train on all needs, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="leave needs out and tell how well they are found")
    options = parser.parse_args()
    needs = read_needs()
    if options.check:
        check(needs)
        return
    matrix, shift = learn(needs)
    QueryMap(matrix.numpy(), shift.numpy()).write(TARGET)
    print(f"{TARGET}: {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
