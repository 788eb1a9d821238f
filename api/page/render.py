"""Templates → HTML in the language and colours that the reader chose; problems as pages of their own."""

import json
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.page.asked import Asked
from api.page.excerpts import mark, mark_quote
from api.problems import Problem
from kb import __version__
from kb.keys import Role

FOLDER = Path(__file__).parent
LANGUAGE, THEME = "kb_language", "kb_theme"
"""Cookies that hold what the reader chose; the page's script sets them."""

THEMES = ("light", "dark")
VIEWS = frozenset({"/", "/banks", "/grid", "/cases", "/library"})
ENGLISH = "en"
Say = Callable[..., str]


@cache
def english() -> Mapping[str, str]:
    """What the page says, Chinese → English."""
    table: Mapping[str, str] = tomllib.loads((FOLDER / "english.toml").read_text("utf-8"))
    return table


@cache
def script_words(in_english: bool) -> Markup:
    """The same as JSON for the scripts; nothing where they speak Chinese."""
    return Markup(json.dumps(english() if in_english else {}, ensure_ascii=False).replace("<", "\\u003c"))


def say_chinese(text: str, *values: object) -> str:
    """The text, with its values filled in."""
    return text.format(*values) if values else text


def say_english(text: str, *values: object) -> str:
    """The same in English; what has no English, as the names of topics of the user's own, stays Chinese."""
    return say_chinese(english().get(text, text), *values)


def speaks_english(request: Request) -> bool:
    """Whether the reader chose English."""
    return request.cookies.get(LANGUAGE) == ENGLISH


def speech(request: Request) -> Say:
    """What fills the page's texts in, in the language of the reader."""
    return say_english if speaks_english(request) else say_chinese


@cache
def environment() -> Environment:
    """The templates. Everything that is put into them is escaped, and a name that is not given is an error."""
    found = Environment(
        loader=FileSystemLoader(FOLDER.parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {"mark": mark, "mark_quote": mark_quote, "version": __version__}
    found.filters |= {"amount": lambda number: f"{number:,}"}
    return found


def can_write(request: Request) -> bool:
    """Whether the reader may change something: keys of that role, and everyone where no keys are asked for."""
    role = getattr(request.state, "role", "")
    return Role(role).includes(Role.WRITE) if role else True


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:  # noqa: ANN401
    """A template as response."""
    in_english = speaks_english(request)
    theme = request.cookies.get(THEME, "")
    base = {
        "_": speech(request),
        "language": "en" if in_english else "zh-CN",
        "theme": theme if theme in THEMES else "",
        "words_for_scripts": script_words(in_english),
        "path": request.url.path,
        "can_write": can_write(request),
        "caller": getattr(request.state, "caller", ""),
        "question": "",
        "kept": (),
        "words": (),
    }
    html = environment().get_template(template).render(base | context)
    return HTMLResponse(html, status, headers={"Vary": "Accept, Cookie"})


def is_view(request: Request) -> bool:
    """Whether a browser asks for a view, rather than a program for data."""
    path = request.scope["path"]
    outside = ("/v1/", "/static/", "/metrics", "/healthz", "/readyz", "/openapi.json")
    return not path.startswith(outside) and "text/html" in request.headers.get("accept", "")


def show_problem(request: Request, problem: Problem, headers: Mapping[str, str] | None) -> HTMLResponse | None:
    """A problem as a view: what is wrong and the way out; where a key is missing, the form that takes one. None where
    a program asks."""
    if not is_view(request):
        return None
    kind = problem.type.rsplit(":", 1)[-1]
    question = request.query_params.get("q", "")
    path = request.scope["path"]  # one that a link may lead to: //elsewhere is another site
    bare = Asked(path, question).address() if path in VIEWS and request.url.query else ""
    response = render(request, "problem.html", problem.status, problem=problem, kind=kind, question=question, bare=bare)
    response.headers.update(headers or {})
    return response
