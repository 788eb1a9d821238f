"""Two states of the store, before a run and after → what is new, as text, Markdown or JSON."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kb.basket.markdown import escaped
from kb.evidence import Finding
from kb.export import document_json
from kb.grid_export import finding_json
from kb.records import Citation, Document
from kb.saved import News, own_words, squeeze, versions_before
from kb.store import Store, now

SHOWN = 10
"""How many cases, and quotes of a question, are written out for people; what is left out is counted."""


@dataclass(frozen=True, slots=True)
class State:
    """What a store held at one moment: its live documents by id, and the banks that their passages are about."""

    documents: Mapping[str, Document]
    banks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Words:
    """What a report says, to be compared with what it says later: the words of its passages, and of its cases."""

    passages: frozenset[str] = frozenset()
    cases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReportNews:
    """A report that is new, or a new version of one: what it has, and what of that was not in the version before.

    `new_banks` are those that no passage of the index was about before.
    """

    document: Document
    replaced: bool
    passages: int
    new_passages: int
    cases: tuple[str, ...]
    new_cases: tuple[str, ...]
    banks: tuple[str, ...]
    new_banks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """What a run changed. `failed` are files with the reason; `gate` says which figures fell, in words; `saved` are
    the saved questions that have new evidence, or could not be asked."""

    time: str
    generation: int
    reports: tuple[ReportNews, ...] = ()
    removed: tuple[Document, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    saved: tuple[News, ...] = ()
    gate: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """New reports, new versions, and what is new in both; saved questions that have new evidence."""
        return {
            "new": sum(not report.replaced for report in self.reports),
            "replaced": sum(report.replaced for report in self.reports),
            "removed": len(self.removed),
            "failed": len(self.failed),
            "passages": sum(report.new_passages for report in self.reports),
            "cases": sum(len(report.new_cases) for report in self.reports),
            "banks": len({bank for report in self.reports for bank in report.new_banks}),
            "questions": sum(bool(news.new) for news in self.saved),
        }

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (any(self.counts.values()) or self.saved or self.gate)

    @property
    def headline(self) -> str:
        """All in one line."""
        counts = self.counts
        names = {"new": "新报告", "replaced": "新版报告", "removed": "移除报告", "failed": "读取失败"}
        reports = ", ".join(f"{word} {counts[name]} 份" for name, word in names.items() if counts[name])
        told = f": {counts['cases']} 个新案例, {counts['banks']} 家新银行" if self.reports else ""
        parts = [f"{reports}{told}"] if reports else []
        parts += [f"保存的问题 {counts['questions']} 条有新证据"] if counts["questions"] else []
        parts += [f"评测未通过: {self.gate[0]}"] if self.gate else []
        return "; ".join(parts) or "没有变化"


def state_of(store: Store) -> State:
    """What a store holds now."""
    return State({document.id: document for document in store.documents()}, frozenset(store.bank_counts()))


def make_digest(
    store: Store,
    before: State,
    saved: Sequence[News] = (),
    failed: Sequence[tuple[str, str]] = (),
    gate: Sequence[str] = (),
) -> Digest:
    """What changed in a store since it was in another state."""
    after = state_of(store)
    came = [document for identity, document in after.documents.items() if identity not in before.documents]
    old = versions_before(store, frozenset(before.documents))
    replaced = {one for document in came for one in old.get(document.id, ())}
    gone = before.documents.keys() - after.documents.keys() - replaced
    return Digest(
        now(),
        store.generation(),
        tuple(report_news(store, document, old.get(document.id, ()), before.banks) for document in came),
        tuple(before.documents[identity] for identity in sorted(gone)),
        tuple(failed),
        tuple(news for news in saved if news.new or news.problem),
        tuple(gate),
    )


def report_news(store: Store, document: Document, old: Sequence[str], known: frozenset[str]) -> ReportNews:
    """What a document has that its earlier versions, and of banks the whole index, had not."""
    return news_since(store, document, words_of(store, old) if old else None, known)


def words_of(store: Store, documents: Sequence[str]) -> Words:
    """What these documents say."""
    return Words(
        frozenset(own_words(stored.passage) for one in documents for stored in store.passages_of(one)),
        frozenset(words for one in documents for words, _ in cases_of(store, one)),
    )


def news_since(store: Store, document: Document, old: Words | None, known: frozenset[str]) -> ReportNews:
    """What a document has that was not said before, where it was there before, and of banks that were not known."""
    passages = [stored.passage for stored in store.passages_of(document.id)]
    said = old or Words()
    cases = cases_of(store, document.id)
    banks = tuple(dict.fromkeys(bank for passage in passages for bank in passage.banks))
    return ReportNews(
        document,
        old is not None,
        len(passages),
        sum(own_words(passage) not in said.passages for passage in passages),
        tuple(title for _, title in cases),
        tuple(title for words, title in cases if words not in said.cases),
        banks,
        tuple(bank for bank in banks if bank not in known),
    )


def cases_of(store: Store, document: str) -> list[tuple[str, str]]:
    """The cases of a document: all words of each, and its title with its bank."""
    tagged = store.tagged(document)
    passages = {passage.id: passage for passage in tagged.passages}
    return [
        (
            squeeze("".join([case.title, *(part.text(passages) for part in case.parts)])),
            case.title if any(bank in case.title for bank in case.banks) else "：".join([*case.banks[:1], case.title]),
        )
        for case in tagged.cases
    ]


def digest_json(digest: Digest) -> dict[str, Any]:
    """A digest for programs: the counts, the line for people, and what both come from."""
    return {
        "time": digest.time,
        "generation": digest.generation,
        "headline": digest.headline,
        "counts": digest.counts,
        "reports": [report_json(report) for report in digest.reports],
        "removed": [document_json(document) for document in digest.removed],
        "failed": [{"path": path, "reason": reason} for path, reason in digest.failed],
        "saved": [news_json(news) for news in digest.saved],
        "gate": list(digest.gate),
    }


def report_json(report: ReportNews) -> dict[str, Any]:
    """A report in a digest."""
    return {
        "doc": document_json(report.document),
        "replaced": report.replaced,
        "passages": report.passages,
        "new_passages": report.new_passages,
        "cases": list(report.cases),
        "new_cases": list(report.new_cases),
        "banks": list(report.banks),
        "new_banks": list(report.new_banks),
    }


def news_json(news: News) -> dict[str, Any]:
    """A saved question with its counts and what is new for it."""
    return {
        "name": news.name,
        **news.saved.model_dump(mode="json", exclude_defaults=True),
        "since": news.since,
        "passages": news.passages,
        "new_passages": news.new_passages,
        "new": [finding_json(finding) for finding in news.new],
        "problem": news.problem,
    }


def as_text(digest: Digest) -> str:
    """A digest to be read as it is: the line, then what each part comes from."""
    lines = [digest.headline]
    for report in digest.reports:
        lines += ["", *(f"{'  ' * depth}{words}" for depth, words in report_lines(report))]
    lines += ["", *(f"移除：《{one.title}》，{one.file}" for one in digest.removed)] if digest.removed else []
    lines += ["", *(f"读取失败：{reason}" for _, reason in digest.failed)] if digest.failed else []
    for news in digest.saved:
        lines += ["", *(f"{'  ' * depth}{words}" for depth, words in news_lines(news))]
    lines += ["", *(f"评测：{fall}" for fall in digest.gate)] if digest.gate else []
    return "\n".join(lines) + "\n"


def as_markdown(digest: Digest) -> str:
    """The same as Markdown."""
    lines = [f"# {escaped(digest.headline)}"]
    for report in digest.reports:
        lines += listed(report_lines(report))
    for title, items in (
        ("移除", [f"《{one.title}》，{one.file}" for one in digest.removed]),
        ("读取失败", [reason for _, reason in digest.failed]),
        ("评测未通过", list(digest.gate)),
    ):
        if items:
            lines += listed([(0, title), *((1, item) for item in items)])
    for news in digest.saved:
        lines += listed(news_lines(news))
    return "\n".join(lines) + "\n"


def listed(rows: Sequence[tuple[int, str]]) -> Iterator[str]:
    """A heading and its points as Markdown."""
    yield from ("", f"## {escaped(rows[0][1])}", "")
    yield from (f"{'  ' * (depth - 1)}- {escaped(words)}" for depth, words in rows[1:])


def report_lines(report: ReportNews) -> list[tuple[int, str]]:
    """A report for people, each line with its depth."""
    document, known = report.document, f"（其中新增 {report.new_passages} 段）" if report.replaced else ""
    head = f"{'新版报告' if report.replaced else '新报告'}：《{document.title}》，{document.file}"
    lines = [(0, head), (1, f"{report.passages} 段{known}，{len(report.cases)} 个案例，{len(report.banks)} 家银行")]
    if report.new_cases:
        lines.append((1, f"新案例 {len(report.new_cases)} 个"))
        lines += [(2, title) for title in report.new_cases[:SHOWN]]
        lines += more(len(report.new_cases), "个")
    if report.new_banks:
        lines.append((1, f"新银行 {len(report.new_banks)} 家：{'、'.join(report.new_banks)}"))
    return lines


def news_lines(news: News) -> list[tuple[int, str]]:
    """A saved question for people: its new quotes, each with where it stands."""
    if news.problem:
        return [(0, f"保存的问题 {news.name}：{news.saved.question}"), (1, f"无法提问：{news.problem}")]
    quotes = one_each(news.new)
    lines = [(0, f"保存的问题 {news.name}：{news.saved.question}（新证据 {len(quotes)} 段，共 {news.passages} 段）")]
    for finding in quotes[:SHOWN]:
        words = " ".join(finding.citation.quote.split())
        bank = f"{finding.bank}：" if finding.bank else ""
        lines += [(1, f"{bank}“{words}”"), (2, f"{place_of(finding.citation)}  {finding.passage.id}")]
    return lines + more(len(quotes), "段")


def place_of(citation: Citation) -> str:
    """Where a quote stands, for people: title, year and pages."""
    document, pages = citation.document, "、".join(map(str, citation.pages))
    year = f"，{document.year}" if document.year else ""
    return f"《{document.title}》{year}，第 {pages} {'节' if document.unit == 'section' else '页'}"


def one_each(findings: Sequence[Finding]) -> list[Finding]:
    """The best finding of each passage."""
    return list({finding.passage.id: finding for finding in reversed(findings)}.values())[::-1]


def more(count: int, unit: str) -> list[tuple[int, str]]:
    """How many are not shown, if any."""
    return [(2, f"另有 {count - SHOWN} {unit}")] if count > SHOWN else []


def as_json(digest: Digest) -> str:
    """A digest as one line of JSON."""
    return json.dumps(digest_json(digest), ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Digest], str]] = {"text": as_text, "md": as_markdown, "json": as_json}
"""How a digest is written, by the name of the format."""
