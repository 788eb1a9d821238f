"""Results, answers and figures on a terminal, for people; scripts take the JSON of kb.export."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from kb.lexical import SYNONYM_WEIGHT
from kb.links import Successor
from kb.records import (
    Answer,
    BankEvidence,
    Citation,
    Document,
    Field,
    Filters,
    Hit,
    HitScores,
    Look,
    Page,
    Passage,
    Understood,
)
from kb.search import SearchResult
from kb.store import StoredCase, StoredFigure, StoredPassage
from kb.taxonomy import Taxonomy
from kb.written import Strike, Written

if TYPE_CHECKING:  # it brings the drawing libraries along, which one command needs
    from kb.draw import PlacedBlock

out = Console()

UNITS = {"page": "页", "section": "节"}
"""What the parts of a document are called."""


def show_result(result: SearchResult) -> None:
    """Hits for a person."""
    show_scope(result.filters, result.understood)
    show_explanation(result)
    if result.abstained:
        show_abstention(result.confidence, bool(result.hits))
    for hit in result.hits:
        show_hit(hit)


def show_abstention(confidence: float, nearest: bool) -> None:
    """That nothing answers a question, and how sure that is not; the nearest passages come after it."""
    told = f"语料中未找到直接依据（有答案的把握 {confidence:.0%}）"
    out.print(told + ("；最接近的段落：" if nearest else "。"), style="yellow", highlight=False)


def show_scope(filters: Filters, understood: Understood) -> None:
    """What was filtered by, what came first because the question names it, and which banks there is nothing about."""
    years = (f"{year}年" for year in filters.year)
    hard = [*filters.bank, *filters.dimension, *filters.topic, *years, *filters.report]
    named = (*understood.present, *(document.title for document in understood.reports))
    soft = [name for name in named if name not in hard]
    lines = [
        f"按 {'、'.join(hard)} 筛选" if hard else "",
        f"按 {'、'.join(soft)} 优先" if soft else "",
        f"语料中没有 {'、'.join(understood.absent)} 的段落" if understood.absent else "",
    ]
    if any(lines):
        out.print(f"[cyan]{escape('；'.join(filter(None, lines)))}[/cyan]\n", highlight=False, soft_wrap=True)


LOOKS = {Look.FIGURES: "问数据", Look.SPOKEN: "口语", Look.PLAIN: "一般"}
"""What questions look like, for people."""


def show_explanation(result: SearchResult) -> None:
    """What was looked for: the words with their weights and synonyms, the weights of both sides, and the judgement."""
    explanation, understood = result.explanation, result.understood
    if not explanation:
        return
    table = Table("查找", Column("词", overflow="fold"), Column("权重", justify="right"), "同义", box=None)
    for clue, rarity in explanation.clues:
        others = "、".join("".join(other) for other in clue.others)
        table.add_row(escape(clue.said), escape(" ".join(clue.words)), f"{rarity:.1f}", escape(others))
    out.print(table)
    many = "，问多家银行" if understood.many_banks else ""
    weights = f"语义 {explanation.dense_weight:.2f}，字面 {1 - explanation.dense_weight:.2f}，同义词 {SYNONYM_WEIGHT}"
    out.print(f"[dim]问法：{LOOKS[understood.look]}{many}；权重：{weights}[/dim]", highlight=False, soft_wrap=True)
    signs = explanation.signs
    judged = f"近 {signs.near:.1f}，覆盖 {signs.covered:.2f}，缺 {signs.missing:g}，数据未及 {signs.unmet:.2f}"
    line = f"[dim]有答案的把握：{result.confidence:.0%}（{judged}）[/dim]\n"
    out.print(line, highlight=False, soft_wrap=True)


def show_why(scores: HitScores) -> None:
    """How a hit was ranked."""
    parts = [
        f"全段 {scores.whole:.3f}",
        f"最佳句 {scores.sentence:.3f}",
        f"BM25 {scores.lexical:.1f}（{' '.join(scores.words)}）",
        "" if scores.late is None else f"逐词 {scores.late:.3f}",
        f"优先 {scores.bonus:g}" if scores.bonus else "",
        f"合计 {scores.fused:.2f}",
        "" if scores.rerank is None else f"重排 {scores.rerank:.3f}",
    ]
    out.print(f"   [dim]{escape(' · '.join(filter(None, parts)))}[/dim]", highlight=False, soft_wrap=True)


def show_hit(hit: Hit) -> None:
    """One hit: source, tags, quote."""
    passage, document = hit.passage, hit.document
    tags = " · ".join(filter(None, ["、".join(passage.banks), passage.dimension, passage.role]))
    out.print(f"[bold]{hit.rank}.[/bold] {escape(tags)}  [dim]{passage.id}[/dim]")
    out.print(f"   “{escape(hit.quote)}”", highlight=False, soft_wrap=True)
    place, path = place_of(document, passage.pages), " › ".join(passage.heading[-2:])
    out.print(f"   [dim]{escape(place)}  {escape(path)}[/dim]", highlight=False, soft_wrap=True)
    for twin in hit.also:
        also = f"另见 {place_of(twin.document, twin.passage.pages)}"
        out.print(f"   [dim]{escape(also)}  {twin.passage.id}[/dim]", highlight=False, soft_wrap=True)
    if hit.scores:
        show_why(hit.scores)
    out.print()


def place_of(document: Document, pages: tuple[int, ...]) -> str:
    """The report's title, pages or sections, and file."""
    return f"{document.title}，第 {join_numbers(pages)} {UNITS[document.unit]}（{document.file}）"


def join_numbers(numbers: tuple[int, ...]) -> str:
    """12, or 12-13."""
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


def show_answer(answer: Answer) -> None:
    """An answer for a person."""
    show_scope(answer.filters, answer.understood)
    if answer.abstained:
        show_abstention(answer.confidence, bool(answer.nearest))
        for hit in answer.nearest:
            show_hit(hit)
    weak = [evidence for evidence in answer.evidence if not evidence.strong]
    for evidence in answer.evidence:
        if evidence in weak[:1]:
            out.print("[yellow]以下银行的依据较弱[/yellow]\n", highlight=False)
        show_evidence(evidence)
    show_coverage(answer)


def show_evidence(evidence: BankEvidence) -> None:
    """What was found about one bank."""
    more = f"  [dim]另有 {evidence.more} 条[/dim]" if evidence.more else ""
    heading = f"[bold cyan]{escape(evidence.bank or '行业整体')}[/bold cyan]  {escape(evidence.gist)}{more}"
    out.print(heading, highlight=False, soft_wrap=True)
    for point in evidence.points:
        out.print(f"  “{escape(point.citation.quote)}”", highlight=False, soft_wrap=True)
        source = f"{citation_line(point.citation)}  {point.citation.passage_id}"
        out.print(f"    [dim]{escape(source)}[/dim]", highlight=False, soft_wrap=True)
        for citation in point.also:
            also = f"另见 {citation_line(citation)}  {citation.passage_id}"
            out.print(f"    [dim]{escape(also)}[/dim]", highlight=False, soft_wrap=True)
    out.print()


STRUCK = {
    Strike.UNCITED: "未注引文编号",
    Strike.NO_SUCH_QUOTE: "没有这条引文",
    Strike.QUOTATION: "引语不在所注引文中",
    Strike.NUMBER: "数字不在所注引文中",
    Strike.BANK: "银行不在所注引文中",
    Strike.ADDRESS: "网址不在所注引文中",
}
"""Why sentences are struck, for people."""


def show_written(written: Written) -> None:
    """What a model wrote from the quotes, with its sources; what was struck of it, and why there is none."""
    out.print()
    if written.missing:
        out.print(f"[yellow]未附综述：{escape(written.missing)}[/yellow]", highlight=False, soft_wrap=True)
    else:
        text = "".join(sentence.text for sentence in written.sentences)
        told = f"{written.model} 据引文所写，用时 {written.seconds:.1f} 秒；仅核对：数字与银行名称见于所注引文"
        by = f"[dim]{escape(told)}[/dim]"
        out.print(f"[bold cyan]综述[/bold cyan]  {by}\n  {escape(text)}", highlight=False, soft_wrap=True)
    cited = {number for sentence in written.sentences for number in sentence.citations}
    for source in written.sources:
        if source.number in cited:
            line = f"[{source.number}] {source.bank or '行业整体'}，《{source.report}》  {source.passage_id}"
            out.print(f"    [dim]{escape(line)}[/dim]", highlight=False, soft_wrap=True)
    for struck in written.struck:
        why = "：".join(filter(None, [STRUCK[struck.reason], struck.detail]))
        out.print(f"  [dim]删去“{escape(struck.text)}”（{escape(why)}）[/dim]", highlight=False, soft_wrap=True)


def show_coverage(answer: Answer) -> None:
    """What was searched, and what is not shown."""
    coverage = answer.coverage
    parts = [
        f"检索 {coverage.documents} 份报告、{coverage.passages:,} 段",
        f"涉及 {coverage.banks} 家银行" + (f"，另有 {answer.more_banks} 家未列出" if answer.more_banks else ""),
        f"{coverage.unreadable_pages} 页、{coverage.unreadable_files} 个文件不可读",
        f"{answer.dropped} 条引文未能核实，已略去" if answer.dropped else "",
    ]
    out.print(f"[dim]{'；'.join(filter(None, parts))}[/dim]", highlight=False, soft_wrap=True)


def citation_line(citation: Citation) -> str:
    """Publisher, title, year and page, or section with its title."""
    document = citation.document
    source = "，".join(filter(None, [document.publisher, f"《{document.title}》", str(document.year or "")]))
    return f"{source}，第 {join_numbers(citation.pages)} {UNITS[document.unit]}{label_of(citation)}"


def label_of(citation: Citation) -> str:
    """The page numbers as printed, or the titles of the sections."""
    if not citation.labels:
        return ""
    if citation.document.unit == "section":
        return f"（{'；'.join(dict.fromkeys(citation.labels))}）"
    return f"（页码 {'-'.join(citation.labels)}）"


SOURCES = {
    "heading": "标题", "text": "正文", "cell": "表格首列", "speaker": "发言人", "label": "小标题", "term": "用词",
    "similarity": "语义近似", "neighbour": "上文", "bank": "所属银行", "report": "报告", "topic": "主题",
    "override": "人工更正",
}  # fmt: skip
"""Where tags come from, for people."""

FIELDS = {
    Field.BANK: "银行", Field.MENTION: "提及", Field.DIMENSION: "维度", Field.TOPIC: "主题", Field.ROLE: "角色",
    Field.YEAR: "年份", Field.REGION: "地区",
}  # fmt: skip
"""What tags tell, for people."""


def show_passage(
    stored: StoredPassage, figures: Sequence[StoredFigure], taxonomy: Taxonomy, later: Successor | None = None
) -> None:
    """A passage: source, whether it was replaced and by what, text, tags with what they come from, figures."""
    passage, document = stored.passage, stored.document
    place = place_of(document, passage.pages)
    out.print(f"[bold]{escape(place)}[/bold]  [dim]{passage.id}[/dim]", highlight=False, soft_wrap=True)
    out.print(f"[dim]{escape(' › '.join(passage.heading))}[/dim]\n", highlight=False, soft_wrap=True)
    if document.status != "live":
        show_replaced(later)
    out.print(escape(passage.text) + "\n", highlight=False, soft_wrap=True)
    show_tags(passage, taxonomy)
    if figures:
        show_figures(figures)


def show_replaced(later: Successor | None) -> None:
    """That a passage is of a replaced report, and where the live version says the same."""
    told = "所在报告已有新版；新版中没有相近的段落"
    if later:
        place = place_of(later.document, later.passage.pages)
        told = f"所在报告已有新版；新版中最接近：{place}，相似度 {later.similarity:.2f}  {later.passage.id}"
    out.print(f"[yellow]{escape(told)}[/yellow]\n", highlight=False, soft_wrap=True)


def show_tags(passage: Passage, taxonomy: Taxonomy) -> None:
    """The tags of a passage, each with how sure it is and what it comes from."""
    labels = {topic.id: f"{topic.label} ({topic.id})" for topic in taxonomy.topics}
    table = Table(
        "标签", "值", Column("把握", justify="right"), Column("依据", ratio=1, overflow="fold"), box=None, expand=True
    )
    for tag in passage.tags:
        reasons = "；".join(f"{SOURCES.get(reason.source, reason.source)}：{reason.detail}" for reason in tag.reasons)
        value = labels.get(tag.value, tag.value)
        table.add_row(FIELDS[tag.field], escape(value), f"{tag.score:.2f}", escape(" ".join(reasons.split())))
    out.print(table)


def show_figures(figures: Sequence[StoredFigure]) -> None:
    """Figures that passages state."""
    names = ("银行", "指标", "数值", "时点", "比较", "出处", "段")
    table = Table(*(Column(name, overflow="fold") for name in names), box=None)
    for stored in figures:
        figure, passage = stored.figure, stored.passage
        source = f"{stored.document.file} {UNITS[stored.document.unit]} {join_numbers(passage.pages)}"
        words = "、".join(passage.banks), figure.name, figure.text, figure.as_of, figure.comparison, source, passage.id
        table.add_row(*(escape(" ".join(word.split())) for word in words))
    out.print(table)


def show_cases(cases: Sequence[StoredCase], whole: bool) -> None:
    """Cases: bank, title, source, and how each part begins, or all of it."""
    for stored in cases:
        case, document = stored.case, stored.document
        out.print(
            f"[bold]{escape(case.title)}[/bold]  [cyan]{escape('、'.join(case.banks))}[/cyan]  [dim]{case.id}[/dim]"
        )
        for part in case.parts:
            text = part.text(stored.passages)
            shown = text if whole else text[:SHOWN_OF_PART].replace("\n", " ") + "…" * (len(text) > SHOWN_OF_PART)
            name = part.label or part.role
            out.print(f"  [bold]{escape(name)}[/bold] {escape(shown)}", highlight=False, soft_wrap=True)
        place = place_of(document, case.pages)
        out.print(f"  [dim]{escape(place)}  {len(stored.figures)} 个数据[/dim]\n", highlight=False, soft_wrap=True)


SHOWN_OF_PART = 60
"""How much of a part of a case stands in a list of cases."""


def show_blocks(page: Page, placed: Sequence["PlacedBlock"], unit: str) -> None:
    """The blocks of a page in order, with how each begins; `level` is the number of a table too."""
    table = Table("order", "kind", "level", "box", Column("text", no_wrap=True, ratio=1), box=None, expand=True)
    for one in placed:
        block = one.block
        numbers = (str(number or "") for number in (block.level or block.table, block.group))
        table.add_row(str(one.order), block.kind, *numbers, escape(one.text))
    out.print(table)
    label = f" ({page.label})" if page.label else ""
    out.print(escape(f"{unit} {page.number}{label}: {page.problem or page.reader}"), highlight=False)
