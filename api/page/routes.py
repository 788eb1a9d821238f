"""The views: question, evidence, banks, grid, cases, library. Parameters → kb → a template."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api.metrics import OfMetrics
from api.page.asked import Asked
from api.page.charts import radar, shade
from api.page.excerpts import Excerpt, by_bank, of_findings, of_held, of_hit, of_point, of_stored, pool
from api.page.facets import facets_of, matches
from api.page.passage import passage_context
from api.page.render import render, speech
from api.routes import Name, OfShelf, PassageId, ReadFilters, describe_documents, describe_failure, refuse_unknown
from kb.answer import ask_row
from kb.bank_profile import bank_profile
from kb.catalogue import Part
from kb.embed import Embedded
from kb.errors import IndexMissing, NothingMatches
from kb.evidence import gather_row
from kb.grid import Columns, Rows, make_grid
from kb.holdings import bank_entries, browse, holdings
from kb.records import Filters
from kb.search import MAX_QUERY, Library, check_question

T = TypeVar("T")

views = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

SHOWN = 20
"""Passages or cases that a view shows at once."""

LISTED, WEAK = 12, 4
"""Excerpts, and weak ones, that are listed below an answer at first."""

MOST_BANKS, MOST_POINTS = 200, 20
"""All that an answer may have."""

NEAREST = 10
"""Passages that are shown where no evidence is left."""

COMPARED = 4
"""Banks that a radar takes: more lines cannot be told apart."""

GRID_ROWS = 30

Number = Annotated[int, Query(ge=0, le=10**6)]
From = Annotated[int, Query(alias="from", ge=0, le=10**6)]
Words = Annotated[str, Query(max_length=MAX_QUERY)]
PassageOf = Annotated[str, Query(max_length=200)]
Place = Annotated[str, Query(pattern=r"^(\d{1,6}-\d{1,6})?$")]


def read_asked(*beside: str) -> Any:  # noqa: ANN401
    """The question and filters of a view that takes some other parameters beside them."""

    def read(request: Request, filters: Annotated[Filters, Depends(ReadFilters("q", *beside))], q: Words = "") -> Asked:
        return Asked(request.url.path, " ".join(q.split()), filters)

    return Depends(read)


def read_question(*beside: str) -> Any:  # noqa: ANN401
    """The question that a view without filters carries along."""

    def read(request: Request, q: Words = "") -> Asked:
        refuse_unknown(request, ("q", *beside))
        return Asked(request.url.path, " ".join(q.split()))

    return Depends(read)


def labels_of(library: Library) -> dict[str, str]:
    """What topics and reports are called, by their ids."""
    topics = {topic.id: topic.label for topic in library.catalogue.taxonomy.topics}
    return topics | {document.id: document.title for document in library.store.documents()}


def about(asked: Asked, library: Library) -> dict[str, Any]:
    """What every view has: what was asked, and what ids are called."""
    return {"asked": asked, "question": asked.question, "kept": asked.pairs, "labels": labels_of(library)}


def row_of(library: Library, asked: Asked) -> Embedded:
    """The question embedded, once for all that a view asks with it. Raises BadQuery."""
    check_question(asked.question)
    return library.embed([asked.question])[0]


def page_of(find: Callable[[Filters, int, int], Part[T]], filters: Filters, start: int) -> tuple[Part[T], int]:
    """What a list has from `start` on, or on its last page for who asks for one behind it; and where that begins."""
    found = find(filters, SHOWN, start)
    if found.items or not start:
        return found, start
    last = (found.total - 1) // SHOWN * SHOWN
    return find(filters, SHOWN, last), last


@views.get("/")
def search_view(
    request: Request,
    shelf: OfShelf,
    metrics: OfMetrics,
    asked: Annotated[Asked, read_asked("passage", "page", "at", "from")],
    passage: PassageOf = "",
    page: Number = 0,
    at: Place = "",
    start: From = 0,
) -> HTMLResponse:
    """A question with its answer; passages that match filters; one passage; or what can be asked."""
    begun = time.perf_counter()
    try:
        with shelf.borrow() as library:
            context = about(asked, library)
            row = row_of(library, asked) if asked.question else None
            if passage:
                context |= passage_context(library, asked, row, passage, page, at)
            if row:
                answer = ask_row(library, asked.question, row, asked.filters)
                metrics.asked(answer)
                context |= {"answer": answer, "groups": by_bank(answer), "nearest": list(map(of_hit, answer.nearest))}
                context |= {"words": library.words_of(asked.question)}
            elif asked.filters:
                found, start = page_of(partial(browse, library.catalogue), asked.filters, start)
                context |= {"browsed": [of_stored(one) for one in found.items], "total": found.total, "start": start}
            elif not passage:
                context |= {"documents": describe_documents(library.store, library.store.documents())}
    except IndexMissing:
        return render(request, "welcome.html", asked=asked, documents=[], question=asked.question, kept=asked.pairs)
    milliseconds = round((time.perf_counter() - begun) * 1000)
    template = "search.html" if asked.question or asked.filters else "passage.html" if passage else "welcome.html"
    return render(request, template, **context, shown=SHOWN, milliseconds=milliseconds, panel=bool(passage))


@views.get("/excerpts")
def excerpts_part(
    request: Request,
    shelf: OfShelf,
    asked: Annotated[Asked, read_asked("all", "passage", "page", "at")],
    all: bool = False,
) -> HTMLResponse:
    """The part below an answer: all evidence, what is weak, and by what both can be narrowed."""
    with shelf.borrow() as library:
        context = about(asked, library)
        asked = Asked("/", asked.question, asked.filters)
        row = row_of(library, asked)
        evidence = gather_row(library, asked.question, row, Filters())
        found = pool(evidence, ask_row(library, asked.question, row, Filters(), MOST_BANKS, MOST_POINTS))
        known, reports = library.catalogue.resolve(asked.filters)
        strong = of_findings(one for one in found if matches(one, known, reports))
        weak = unsaid(of_findings(one for one in evidence.weak if matches(one, known, reports)), strong)
        beyond = unsaid(within_filters(library, asked, row), strong + weak)
        facets = facets_of(found, asked, known, reports, context["labels"])
        nearest = [] if strong or beyond else nearest_passages(library, asked, row)
        words = library.words_of(asked.question)
    totals = len(strong), len(weak)
    if not all:
        strong, weak = strong[:LISTED], weak[:WEAK]
    return render(
        request,
        "excerpts.html",
        **context | {"asked": asked},
        facets=facets,
        strong=strong,
        weak=weak,
        totals=totals,
        beyond=beyond,
        nearest=nearest,
        words=words,
    )


def unsaid(excerpts: Iterable[Excerpt], listed: Iterable[Excerpt]) -> list[Excerpt]:
    """Excerpts of passages that are not listed before."""
    said = {one.passage.id for one in listed}
    return [one for one in excerpts if one.passage.id not in said]


def within_filters(library: Library, asked: Asked, row: Embedded) -> list[Excerpt]:
    """What the answer has where it looks among the passages that match the filters alone: there, more stands out."""
    if not asked.filters:
        return []
    answer = ask_row(library, asked.question, row, asked.filters, MOST_BANKS, MOST_POINTS)
    found: dict[str, Excerpt] = {}
    for point in (point for one in answer.evidence for point in one.points):
        found.setdefault(point.citation.passage_id, of_point(point))
    return list(found.values())


def nearest_passages(library: Library, asked: Asked, row: Embedded) -> list[Excerpt]:
    """The best passages that match the filters, whatever they are worth."""
    return list(map(of_hit, library.search_row(asked.question, row, NEAREST, asked.filters).hits))


@views.get("/evidence/{id}")
def evidence_part(
    request: Request,
    shelf: OfShelf,
    asked: Annotated[Asked, read_asked("page", "at")],
    id: PassageId,
    page: Number = 0,
    at: Place = "",
) -> HTMLResponse:
    """The panel of one passage: its page, its place, why it was found, its tags."""
    with shelf.borrow() as library:
        context = about(Asked("/", asked.question, asked.filters), library)
        row = row_of(library, asked) if asked.question else None
        context |= passage_context(library, asked, row, id, page, at)
        words = library.words_of(asked.question) if asked.question else ()
    return render(request, "evidence.html", **context, words=words)


@views.get("/banks")
def banks_view(
    request: Request,
    shelf: OfShelf,
    asked: Annotated[Asked, read_question("compare")],
    compare: Annotated[tuple[Name, ...], Query(max_length=50)] = (),
) -> HTMLResponse:
    """All banks, and the radar of those that are chosen."""
    with shelf.borrow() as library:
        entries = bank_entries(library.catalogue)
        asked_for = list(dict.fromkeys(library.catalogue.bank_names(name)[0] for name in compare))
        chosen = asked_for[:COMPARED]
        names = [side.id for side in library.catalogue.taxonomy.dimensions]
        by_name = {entry.name: entry.dimensions for entry in entries}
        drawn = radar(names, {name: by_name.get(name, {}) for name in chosen})
        context = about(asked, library)
    context |= {"entries": entries, "names": names, "radar": drawn}
    context |= {"chosen": chosen, "most": COMPARED, "left_out": len(asked_for) > COMPARED}
    return render(request, "banks.html", **context)


@views.get("/banks/{name}")
def bank_view(request: Request, shelf: OfShelf, asked: Annotated[Asked, read_question()], name: str) -> HTMLResponse:
    """One bank: its evidence by dimension, topics over the years, cases, figures."""
    with shelf.borrow() as library:
        profile = bank_profile(library.catalogue, name)
        names = [side.id for side in library.catalogue.taxonomy.dimensions]
        context = about(asked, library)
    drawn = radar(names, {profile.entry.name: profile.entry.dimensions})
    quotes = [list(map(of_held, side.quotes)) for side in profile.dimensions]
    most = max((count for topic in profile.topics for count in topic.years.values()), default=0)
    context |= {"profile": profile, "quotes": quotes, "radar": drawn, "most": most, "shade": shade}
    return render(request, "bank.html", **context)


@views.get("/grid")
def grid_view(
    request: Request,
    shelf: OfShelf,
    asked: Annotated[Asked, read_asked("rows", "columns", "top")],
    rows: Rows = Rows.BANK,
    columns: Columns | None = None,
    top: Annotated[int, Query(ge=1, le=100)] = GRID_ROWS,
) -> HTMLResponse:
    """Banks or topics by dimensions or years: how much evidence there is for a question, or how much is held."""
    with shelf.borrow() as library:
        context = about(asked, library)
        try:
            if asked.question:
                grid = make_grid(library, asked.question, asked.filters, rows, columns, top)
            else:
                grid = holdings(library.catalogue, asked.filters, rows, columns, top)
        except NothingMatches:
            grid = None
    most = max((cell.count for row in grid.rows if row.head.key for cell in row.cells), default=0) if grid else 0
    return render(request, "grid.html", **context, grid=grid, most=most, shade=shade)


@views.get("/cases")
def cases_view(
    request: Request,
    shelf: OfShelf,
    asked: Annotated[Asked, read_asked("from")],
    start: From = 0,
) -> HTMLResponse:
    """Cases as cards."""
    say = speech(request)
    with shelf.borrow() as library:
        context = about(asked, library)
        try:
            found, start = page_of(library.catalogue.cases, asked.filters, start)
        except NothingMatches:
            found = None
        banks = [(entry.name, entry.name) for entry in bank_entries(library.catalogue) if entry.cases]
        topics = [(topic.id, say(topic.label)) for topic in library.catalogue.taxonomy.topics]
        years = sorted({document.year for document in library.store.documents() if document.year}, reverse=True)
    choices = {"bank": banks, "topic": topics, "year": [(year, year) for year in years]}
    return render(request, "cases.html", **context, found=found, start=start, shown=SHOWN, choices=choices)


@views.get("/library")
def library_view(request: Request, shelf: OfShelf, asked: Annotated[Asked, read_question()]) -> HTMLResponse:
    """The reports, what could not be read, uploads and jobs."""
    try:
        with shelf.borrow() as library:
            documents = describe_documents(library.store, library.store.documents())
            failures = [describe_failure(failure) for failure in library.store.failures()]
    except IndexMissing:
        documents, failures = [], []
    return render(request, "library.html", asked=asked, documents=documents, failures=failures)
