"""Check the sample reports: gold quotes stand on their pages, counts suffice, no wording is taken from elsewhere."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import pypdfium2

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
RUN = 16  # so many Chinese characters in a row count as copied
QUOTE_LENGTH = range(15, 81)
LEAST = {"how": 16, "paraphrase": 10, "fact": 8, "bank": 6, "filtered": 5, "none": 4}

Pages = dict[str, list[str]]  # file name → squeezed text of each page


class Answer(TypedDict):
    """A passage that answers a question; `page` is counted from 1, `grade` is 2 (direct) or 1 (partial)."""

    file: str
    page: int
    quote: str
    grade: int
    bank: str
    dimension: str


class Question(TypedDict):
    """One line of gold.jsonl."""

    id: str
    query: str
    type: str
    filters: dict[str, str | int | list[str]]
    answers: list[Answer]


def squeeze(text: str) -> str:
    """Text without white space and without the marks that pdfium puts at line ends."""
    return re.sub(r"[\s\ufffe\u0002]+", "", text)


def page_texts(path: Path) -> list[str]:
    """The squeezed text of each page, in the order of the content stream."""
    with pypdfium2.PdfDocument(path) as pdf:
        return [squeeze(page.get_textpage().get_text_range()) for page in pdf]


def answer_problems(answer: Answer, pages: Pages) -> Iterator[str]:
    """One line for each thing that is wrong with a gold answer."""
    quote, file, page = answer["quote"], answer["file"], answer["page"]
    found = [number for number, text in enumerate(pages.get(file, []), 1) if squeeze(quote) in text]
    if page not in found:
        yield f"{file} page {page}, found on {found}: {quote}"
    if len(quote) not in QUOTE_LENGTH:
        yield f"{len(quote)} characters: {quote}"


def gold_problems(questions: list[Question], pages: Pages) -> Iterator[str]:
    """One line for each question that is not well formed, and for each type with too few questions."""
    for question in questions:
        if (question["type"] == "none") == bool(question["answers"]):
            yield f"{question['id']}: type {question['type']} with {len(question['answers'])} answers"
        for answer in question["answers"]:
            yield from (f"{question['id']}: {problem}" for problem in answer_problems(answer, pages))
    types = Counter(question["type"] for question in questions)
    yield from (f"{types[t]} questions of type {t}, wanted {n}" for t, n in LEAST.items() if types[t] < n)


def runs(text: str) -> set[str]:
    """All sequences of RUN Chinese characters in a squeezed text, titles of documents (《…》) aside."""
    stretches = re.findall(rf"[\u4e00-\u9fff]{{{RUN},}}", re.sub("《[^》]*》", "，", text))
    return {stretch[i : i + RUN] for stretch in stretches for i in range(len(stretch) - RUN + 1)}


def shared_runs(pages: Pages, folder: Path) -> Iterator[str]:
    """One line for each sequence that a page of ours has in common with a text or PDF in `folder`."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".pdf":
            foreign = runs("".join(page_texts(path)))
        elif path.suffix in {".txt", ".md"}:
            foreign = runs(squeeze(path.read_text(encoding="utf-8")))
        else:
            continue
        for file, texts in pages.items():
            for number, text in enumerate(texts, 1):
                yield from (f"{file} page {number}: {run} also in {path.name}" for run in sorted(runs(text) & foreign))


def summary(questions: list[Question], pages: Pages) -> Iterator[str]:
    """Pages of each report, banks with evidence, questions of each type."""
    for file, texts in pages.items():
        yield f"{file}: {len(texts)} pages, {sum(map(len, texts))} characters"
    banks = {answer["bank"] for question in questions for answer in question["answers"]} - {""}
    types = Counter(question["type"] for question in questions)
    yield f"{sum(map(len, pages.values()))} pages, {len(banks)} banks with evidence"
    yield f"{len(questions)} questions: " + ", ".join(f"{kind} {count}" for kind, count in types.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="DIR", help="texts and PDFs whose wording must not appear")
    args = parser.parse_args()

    pages = {path.name: page_texts(path) for path in sorted(CORPUS.glob("*.pdf"))}
    lines = (CORPUS / "gold.jsonl").read_text(encoding="utf-8").splitlines()
    questions: list[Question] = [json.loads(line) for line in lines]

    problems = [*gold_problems(questions, pages)]
    if args.against:
        problems += shared_runs(pages, args.against)
    sys.stdout.writelines(f"{line}\n" for line in summary(questions, pages))
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
