"""The grid → a heat map as SVG or PNG, with Chinese labels that render, by matplotlib (extra `charts`)."""

import unicodedata
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

from kb.errors import BadInput
from kb.grid import Grid, State
from kb.grid_export import STATES, grid_notes, legend_of, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Noto Serif CJK SC", "SimSun",
)  # fmt: skip
"""Fonts with Chinese, those to be preferred first. A picture is drawn in one that is installed; SVG names them all."""

GETA = "〓"
"""Stands for a character that the font has not."""

TITLE_LENGTH = 40
LABEL_LENGTH = 24
CELL_INCHES = 0.9, 0.36
EM_INCHES = 0.15
"""The width of a Chinese character in labels, with some air."""

MARGIN_INCHES = 0.7
TITLE_INCHES = 0.3
NOTE_INCHES = 0.22
DPI = 150
SHADES = "Blues"
DARK = 0.55
"""Numbers are white on squares that are so dark, from 0 to 1."""

_DRAWING = Lock()
"""matplotlib is not safe to use from several threads at once, and its settings are those of the process."""


def draw_svg(grid: Grid) -> bytes:
    """The heat map as SVG, its text as text. Raises BadInput where matplotlib or a Chinese font is missing."""
    return draw(grid, "svg")


def draw_png(grid: Grid) -> bytes:
    """The heat map as PNG. Raises BadInput where matplotlib or a Chinese font is missing."""
    return draw(grid, "png")


def draw(grid: Grid, format: str) -> bytes:
    """The heat map in a format of matplotlib's."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BadInput("a heat map needs matplotlib: pip install 'kb[charts]'") from error
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "kb",
        "font.family": "sans-serif",
        "axes.unicode_minus": False,
        "text.parse_math": False,
    }
    out = BytesIO()
    with _DRAWING, matplotlib.rc_context(settings):
        font = chinese_font()
        # SVG names the others too, for readers without this one
        matplotlib.rcParams["font.sans-serif"] = [font, *(name for name in FONTS if name != font), "sans-serif"]
        figure = Figure(dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        draw_grid(figure, grid, font)
        figure.savefig(out, format=format, metadata={"Date": None} if format == "svg" else None)
    return out.getvalue()


def chinese_font() -> str:
    """The first of FONTS that is installed. Raises BadInput."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    found = next((name for name in FONTS if name in installed), None)
    if found is None:
        raise BadInput(
            "no font with Chinese characters is installed for the heat map; install one, for example fonts-noto-cjk"
            " (apt-get install fonts-noto-cjk), and remove matplotlib's font cache"
        )
    return found


def draw_grid(figure: "Figure", grid: Grid, font: str) -> None:
    """Title, labels, cells and notes into a figure that is made to measure."""
    drawn = Drawable(font)
    rows = [drawn.text(f"{row.head.label}（{row.count}）", LABEL_LENGTH) for row in grid.rows]
    title = drawn.text(title_of(grid), TITLE_LENGTH)
    meaning = legend_of(grid)
    legend = "；".join(meaning[:2]), "；".join(meaning[2:])
    notes = [drawn.text(note, 2 * TITLE_LENGTH) for note in (*grid_notes(grid), *filter(None, legend))]
    wide, high = CELL_INCHES
    left = MARGIN_INCHES / 2 + EM_INCHES * max((width_of(label) for label in rows), default=0)
    widest = max(width_of(title) * 1.3, *(width_of(note) * 0.8 for note in notes)) * EM_INCHES
    width = max(left + wide * len(grid.columns) + MARGIN_INCHES / 2, widest + MARGIN_INCHES)
    below = NOTE_INCHES * (len(notes) + 0.8)
    height = 2 * TITLE_INCHES + high * (max(len(rows), 1) + 1) + below
    figure.set_size_inches(width, height)
    box = (left / width, below / height, wide * len(grid.columns) / width, high * max(len(rows), 1) / height)
    axes = figure.add_axes(box)
    draw_cells(axes, grid)
    axes.set_xticks(range(len(grid.columns)), [drawn.text(head.label, LABEL_LENGTH) for head in grid.columns])
    axes.set_yticks(range(len(rows)), rows)
    edge = MARGIN_INCHES / 2 / width
    figure.text(edge, 1 - TITLE_INCHES / height, title, size=13, va="center")
    for at, note in enumerate(notes):
        high_up = (below - NOTE_INCHES * (at + 0.8)) / height
        figure.text(edge, high_up, note, size=8, va="center", color="dimgray")


def draw_cells(axes: "Axes", grid: Grid) -> None:
    """A square for each cell, the darker the more was found; its number, or why there is none."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    most = max((cell.count for row in grid.rows for cell in row.cells), default=0)
    for down, row in enumerate(grid.rows):
        for across, cell in enumerate(row.cells):
            share = (cell.count / most) ** 0.5 if most else 0.0  # else the industry's row leaves the others pale
            held = cell.state is not State.NOT_HELD
            face = colormaps[SHADES](0.15 + 0.75 * share) if cell.count else "white" if held else "gainsboro"
            axes.add_patch(
                Rectangle((across - 0.5, down - 0.5), 1, 1, facecolor=face, edgecolor="silver", lw=0.6, clip_on=False)
            )
            word = str(cell.count) if cell.count else STATES[cell.state]
            color = "gray" if not cell.count else "white" if share >= DARK else "black"
            axes.text(across, down, word, ha="center", va="center", size=10 if cell.count else 8, color=color)
    axes.set_xlim(-0.5, len(grid.columns) - 0.5)
    axes.set_ylim(max(len(grid.rows), 1) - 0.5, -0.5)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    for side in axes.spines.values():
        side.set_visible(False)


class Drawable:
    """Makes of a text what a font can draw, on one line."""

    def __init__(self, font: str) -> None:
        from matplotlib.font_manager import findfont, get_font

        self._font = get_font(findfont(font))

    def text(self, words: str, length: int) -> str:
        """One line of at most `length` characters; a character that the font has not is shown as 〓."""
        line = " ".join(words.split())
        short = line if len(line) <= length else line[: length - 1] + "…"
        return "".join(char if self._font.get_char_index(ord(char)) else GETA for char in short)


def width_of(text: str) -> float:
    """How wide a text is, in Chinese characters."""
    return sum(1.0 if unicodedata.east_asian_width(char) in "WFA" else 0.55 for char in text)
