"""The heading tree that a document states itself: bookmarks, else the table of contents, matched to its headings."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from kb.layout.paragraphs import Row
from kb.marks import NUMBERINGS, numbering
from kb.records import Bookmark
from kb.words import fold

Type = tuple[float, int]
"""What tells a heading's level: its size in half points, and its numbering (see kb.marks)."""

LEAST_MATCHES = 3
"""An outline of which fewer titles stand in the text is left over from another file, or is none."""

ENTRY = re.compile(r"^(.*?\D)[\s.．…·_•]*(\d{1,4})$")
"""A line of a table of contents: title, leaders, page."""


def contents_outline(columns: Sequence[Sequence[Row]]) -> tuple[Bookmark, ...]:
    """The entries of a table of contents, read column by column, with levels by type and then by indent or numbering.

    The page is 0: printed numbers need not be those of this file.
    """
    entries: list[tuple[str, float, float]] = []
    for rows in columns:
        left = min(row.left for row in rows)
        for row in rows:
            if match := ENTRY.match(row.text):
                title = match[1].rstrip(" .．…·_•")
                entries.append((title, round(row.size * 2) / 2, round((row.left - left) / 8)))
    flat = len({indent for _, _, indent in entries}) == 1
    keys = [(-size, numbering(title) if flat else indent) for title, size, indent in entries]
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)), 1)}
    return tuple(Bookmark(ranks[key], title, 0) for key, (title, _, _) in zip(keys, entries, strict=True))


def match_outline(outline: Sequence[Bookmark], texts: Sequence[tuple[int, int, str]]) -> dict[int, int]:
    """Which of the document's short paragraphs are titles of the outline: key to level.

    `texts` are (key, page, text) in reading order. Titles are matched in order, on their page where it is known.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for key, page, text in texts:
        places.setdefault(title_of(text), []).append((key, page))
    found: dict[int, int] = {}
    for bookmark in outline:
        for key, page in places.get(title_of(bookmark.title), []):
            if key not in found and bookmark.page in (0, page):
                found[key] = bookmark.level
                break
    return found if len(found) >= LEAST_MATCHES else {}


def title_of(text: str) -> str:
    """A title's letters, digits and characters, folded, without its numbering, which contents often leave out."""
    depth = numbering(text)
    bare = NUMBERINGS[depth].sub("", text) if depth < len(NUMBERINGS) else text
    return re.sub(r"[\W_]+", "", fold(bare))


def levels_by_outline(
    types: Mapping[int, Type], levels: Mapping[Type, int], stated: Mapping[int, int]
) -> dict[Type, int]:
    """Levels of headings by type (see heading_levels), brought in line with those that the outline states.

    `types` are those of all headings by their place, `stated` levels of some of them. A type of which the outline
    names less than half stands below the one before it.
    """
    if not stated:
        return dict(levels)
    counts = Counter(types.values())
    votes: dict[Type, Counter[int]] = {}
    for at, level in stated.items():
        votes.setdefault(types[at], Counter())[level] += 1
    result: dict[Type, int] = {}
    before, known = 0, True
    for key in sorted(levels, key=lambda key: levels[key]):
        sure = 2 * sum(votes.get(key, Counter()).values()) >= counts[key]
        level = votes[key].most_common(1)[0][0] if sure else 0
        result[key] = level if sure and known else max(level, before + 1)
        before, known = result[key], sure
    return result
