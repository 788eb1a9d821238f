"""A basket → Markdown: quotes, a footnote each, and the bibliography."""

import re

from kb.basket.collect import Basket, Quote

SPECIAL = re.compile(r"[\\`*_\[\]<>&~|$^]")
"""Characters that mean something to Markdown wherever they stand."""

OPENING = re.compile(r"^(\s*)(?:([#+\-=:])|(\d{1,9})([.)]))")
"""What makes something else of a line: a heading, a list, a rule."""

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def markdown(basket: Basket) -> str:
    """Quotes as block quotes, each with its footnote; then 参考文献."""
    numbered = list(enumerate(basket.quotes, 1))
    parts = ["# 引文", *(block(basket, number, quote) for number, quote in numbered)]
    parts += ["## 参考文献", *(escaped(source.reference) for source in basket.sources)]
    notes = ((number, f"{basket.footnote(quote)}（{basket.where(quote)}）") for number, quote in numbered)
    parts += [f"[^{number}]: {escaped(note)}" for number, note in notes]
    return "\n\n".join(parts) + "\n"


def block(basket: Basket, number: int, quote: Quote) -> str:
    """One quote: its words, what it is about, the mark of its report, and the user's note."""
    words = "\\\n> ".join(escaped(line) for line in lines(quote.citation.quote))
    told = escaped(f"——{quote.about} {basket.mark(quote)}" if quote.about else f"——{basket.mark(quote)}")
    note = "\n\n" + "\\\n".join(escaped(line) for line in lines(f"按：{quote.note}")) if quote.note else ""
    return f"> {words}[^{number}]\n>\n> {told}{note}"


def lines(text: str) -> list[str]:
    """The lines of a text that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def escaped(text: str) -> str:
    """A line that Markdown shows as it is."""
    plain = SPECIAL.sub(r"\\\g<0>", UNPRINTABLE.sub("", text))
    return OPENING.sub(
        lambda found: f"{found[1]}\\{found[2]}" if found[2] else rf"{found[1]}{found[3]}\{found[4]}", plain
    )
