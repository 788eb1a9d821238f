"""Results, answers and figures on a terminal, for people; scripts take the JSON of kb.export."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kb.evaluate import Abstentions, Figures
from kb.records import Answer, Citation, Hit
from kb.search import SearchResult

out = Console()


def show_result(result: SearchResult) -> None:
    """Hits for a person."""
    if result.abstained:
        out.print("语料中未找到直接依据" + ("；最接近的段落：" if result.hits else "。"), style="yellow")
    for hit in result.hits:
        show_hit(hit)


def show_hit(hit: Hit) -> None:
    """One hit: source, tags, quote."""
    passage, document = hit.passage, hit.document
    tags = " · ".join(filter(None, ["、".join(passage.banks), passage.dimension, passage.role]))
    out.print(f"[bold]{hit.rank}.[/bold] {escape(tags)}  [dim]{passage.id}[/dim]")
    out.print(f"   “{escape(hit.quote)}”", highlight=False, soft_wrap=True)
    place = f"{document.title}，第 {join_numbers(passage.pages)} 页（{document.file}）"
    out.print(
        f"   [dim]{escape(place)}  {escape(' › '.join(passage.heading[-2:]))}[/dim]\n", highlight=False, soft_wrap=True
    )


def join_numbers(numbers: tuple[int, ...]) -> str:
    """12, or 12-13."""
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


def show_answer(answer: Answer) -> None:
    """An answer for a person."""
    if answer.abstained:
        out.print("语料中未找到直接依据。最接近的段落：", style="yellow")
        for hit in answer.nearest:
            show_hit(hit)
    for evidence in answer.evidence:
        out.print(f"[bold cyan]{escape(evidence.bank or '行业整体')}[/bold cyan]")
        for point in evidence.points:
            out.print(f"  “{escape(point.citation.quote)}”", highlight=False, soft_wrap=True)
            out.print(
                f"    [dim]{escape(citation_line(point.citation))}  {point.citation.passage_id}[/dim]",
                highlight=False,
                soft_wrap=True,
            )
        out.print()
    coverage = answer.coverage
    searched = f"检索 {coverage.documents} 份报告、{coverage.passages:,} 段"
    unread = f"{coverage.unreadable_pages} 页、{coverage.unreadable_files} 个文件不可读"
    named = len([evidence for evidence in answer.evidence if evidence.bank])
    out.print(
        f"[dim]{searched}；涉及 {named} 家银行；{unread}"
        + (f"；{answer.dropped} 条引文未能核实，已略去" if answer.dropped else "")
        + "[/dim]",
        highlight=False,
        soft_wrap=True,
    )


def citation_line(citation: Citation) -> str:
    """Publisher, title, year and page."""
    source = "，".join(filter(None, [citation.publisher, f"《{citation.title}》", str(citation.year or "")]))
    printed = f"（页码 {'-'.join(citation.labels)}）" if citation.labels else ""
    return f"{source}，第 {join_numbers(citation.pages)} 页{printed}"


def show_figures(figures: list[Figures], abstentions: Abstentions) -> None:
    """Figures as a table."""
    table = Table("type", "n", "nDCG@10", "recall@10", "MRR@10", box=None)
    for row in figures:
        values = (f"{row.values[name]:.3f}" for name in ("ndcg", "recall", "mrr"))
        table.add_row(row.type, str(row.questions), *values)
    out.print(table)
    rightly = f"{abstentions.rightly} of {abstentions.unanswerable} unanswerable questions"
    out.print(
        f"abstained on {rightly}, wrongly on {abstentions.wrongly} of {abstentions.answerable}",
        highlight=False,
        soft_wrap=True,
    )
