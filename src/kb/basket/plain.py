"""A basket → plain text to paste anywhere: each quote with its source in brackets behind it, and its note."""

from kb.basket.collect import Basket, Quote
from kb.basket.markdown import UNPRINTABLE, lines
from kb.reference.entry import named


def plain(basket: Basket) -> str:
    """Quotes in “…” with their sources in （…）, a blank line between them; nothing else."""
    return "\n\n".join(block(basket, quote) for quote in basket.quotes) + "\n"


def block(basket: Basket, quote: Quote) -> str:
    """One quote: its words, bank, title, publisher, year and page, and below them the user's note."""
    words = "\n".join(lines(quote.citation.quote))
    note = "\n按：" + "\n".join(lines(quote.note)) if quote.note else ""
    return UNPRINTABLE.sub("", f"“{words}”（{source(basket, quote)}）{note}")


def source(basket: Basket, quote: Quote) -> str:
    """Where a quote is from, as Chinese writers put it in brackets; what is not known is left out."""
    entry, pages = basket.source(quote).entry, basket.pages(quote)
    banks, publisher = "、".join(quote.passage.banks), entry.publisher or "、".join(named(entry.authors))
    title = "《" + entry.title.replace("《", "〈").replace("》", "〉") + "》"
    unit = "节" if pages.unit == "section" else "页"
    place = f"{'文件' if pages.counted else ''}第{pages.text or pages.in_file}{unit}"
    year = f"{entry.year}年" if entry.year else ""
    known = "，".join(part for part in (banks, title, publisher, year, place) if part)
    return "；".join([known, *quote.remarks])
