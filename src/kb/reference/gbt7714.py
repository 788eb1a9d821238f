"""An entry → its reference by GB/T 7714—2015 in the numeric style, and its Chinese footnote."""

from kb.reference.entry import CHINESE, Entry, named
from kb.reference.pages import Pages

MAX_AUTHORS = 3
"""More authors than this are cut to this many and 等 (8.1.2)."""

NO_PLACE, NO_PUBLISHER, NO_YEAR = "S.l.", "s.n.", "s.a."
"""出版地不详, 出版者不详, 出版年不详: one form for titles in all languages, as reference managers print it."""


def reference(entry: Entry, pages: str = "") -> str:
    """The reference without its number: authors. title[R]. place: publisher, year: pages[day cited]. address."""
    head = f"{entry.title}[{entry.mark}]"
    published = publication(entry) + (f": {pages}" if pages else "")
    dates = f"({entry.updated})" if entry.updated else ""
    dates += f"[{entry.accessed}]" if entry.accessed else ""
    parts = (joined(entry.authors), head, published.removeprefix(": ") + dates, entry.url)
    return "".join(f"{part.removesuffix('.')}. " for part in parts if part).rstrip()


def joined(authors: tuple[str, ...]) -> str:
    """Up to three authors, and 等 where there are more."""
    names = named(authors)
    others = "等" if CHINESE.search("".join(names)) else "et al"
    return ", ".join((*names[:MAX_AUTHORS], *([others] if names and is_cut(authors) else [])))


def is_cut(authors: tuple[str, ...]) -> bool:
    """Whether there are more authors than a reference names."""
    names = named(authors)
    return len(names) > MAX_AUTHORS or len(names) < len(authors)


def publication(entry: Entry) -> str:
    """Place, publisher and year (8.4). What is not known is said to be so in print, and left out online."""
    if entry.url:
        where = ": ".join(part for part in (entry.place, entry.publisher) if part)
        return ", ".join(part for part in (where, str(entry.year or "")) if part)
    where = f"{entry.place or f'[{NO_PLACE}]'}: {entry.publisher or f'[{NO_PUBLISHER}]'}"
    if not entry.place and not entry.publisher:
        where = f"[{NO_PLACE}: {NO_PUBLISHER}]"
    return f"{where}, {entry.year or f'[{NO_YEAR}]'}"


def mark(number: int, pages: str = "") -> str:
    """The citation mark that stands in the text; with pages where its report is cited several times (10.1.3)."""
    return f"[{number}]{pages}"


def footnote(entry: Entry, pages: Pages) -> str:
    """The reference as Chinese books print it at the foot of a page: 作者：《题名》，地点：出版者，年，第22-23页。

    Pages that are not named by the numbers printed on them are said to be those of the file: 文件第24页.
    """
    names = named(entry.authors)
    authors = "、".join(names[:MAX_AUTHORS]) + ("等" if names and is_cut(entry.authors) else "")
    where = "：".join(part for part in (entry.place, entry.publisher) if part)
    year = f"{entry.year}年" if entry.year else ""
    unit = "节" if pages.unit == "section" else "页"
    place = f"{'文件' if pages.counted else ''}第{pages.text or pages.in_file}{unit}"
    accessed = f"{entry.accessed.year}年{entry.accessed.month}月{entry.accessed.day}日" if entry.accessed else ""
    title = "《" + entry.title.replace("《", "〈").replace("》", "〉") + "》"
    said = "，".join(part for part in (title, where, year, place, entry.url, accessed) if part)
    return f"{authors}：{said}。" if authors else f"{said}。"
