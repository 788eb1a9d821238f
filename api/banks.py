"""The endpoints that need no question: the banks, one bank, and passages in reading order."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from api.routes import INDEX_ERRORS, Limit, Offset, OfShelf, ReadFilters, answers, refuse_unknown
from api.schemas import (
    QUOTE,
    CaseList,
    Citation,
    FigureList,
    PassageId,
    Record,
    Role,
    Side,
    TaggedPassage,
)
from kb.bank_profile import CASES, FIGURES, QUOTES, BankProfile, DimensionHolding, bank_profile
from kb.errors import NothingMatches, UnknownName
from kb.export import case_json, citation_json, figure_json, passage_json
from kb.holdings import BankEntry, bank_entries, browse
from kb.records import Filters

router = APIRouter()

SIDES = {"战略": 2, "组织": 5, "技术": 1, "应用": 9, "数据": 3, "生态": 4}


class BankRecord(Record):
    """A bank that passages are about."""

    name: str = Field(description="Its name, as filters take it.", examples=["青岛农商银行"])
    kind: str = Field(description="城商行, 农商行 …; empty for a bank that is not listed.", examples=["农商行"])
    region: str = Field(description="全国, a country, or province and city; empty if unknown.", examples=["山东 青岛"])
    aliases: list[str] = Field(description="Other names in use, and earlier ones.", examples=[["青农商行"]])
    passages: int = Field(description="Passages about it.", examples=[24])
    cases: int = Field(description="Cases of it.", examples=[2])
    dimensions: dict[str, int] = Field(description="Passages in each dimension, also where none.", examples=[SIDES])
    years: list[int] = Field(description="Years of the reports with passages about it.", examples=[[2018, 2023]])


class BankList(Record):
    """The banks that passages are about."""

    total: int = Field(description="How many there are.", examples=[1])
    banks: list[BankRecord] = Field(description="All of them, those of most passages first.")


class HeldQuoteRecord(Record):
    """A quote that no question asked for."""

    quote: str = Field(description="Verbatim, at most 160 characters.", examples=[QUOTE])
    passage_id: PassageId
    citation: Citation = Field(description="Where it stands.")
    role: Role


class DimensionRecord(Record):
    """What there is of a bank in a dimension."""

    dimension: Side
    passages: int = Field(description="How many passages.", examples=[5])
    quotes: list[HeldQuoteRecord] = Field(
        description="Some quotes: what the bank did first, from different reports, the newest first."
    )


class TopicRecord(Record):
    """A topic of a bank over the years."""

    topic: str = Field(description="Its id.", examples=["talent"])
    label: str = Field(description="Its name.", examples=["人才与激励"])
    dimension: Side
    passages: int = Field(description="Passages about it.", examples=[3])
    years: dict[str, int] = Field(
        description="Passages by the year of the report, where that is known.", examples=[{"2018": 1, "2023": 2}]
    )


class BankDetail(Record):
    """All that the library holds about a bank."""

    bank: BankRecord = Field(description="The bank; all counts are of it and its line together.")
    before: list[str] = Field(description="Listed banks that it came from.", examples=[["浙江农信"]])
    after: list[str] = Field(description="Listed banks that it went into.", examples=[[]])
    dimensions: list[DimensionRecord] = Field(description="The dimensions with passages; last those of none.")
    topics: list[TopicRecord] = Field(description="Its topics, those of most passages first.")
    cases: CaseList = Field(description="Its first cases, in reading order, and how many there are.")
    figures: FigureList = Field(description="Its first figures, in reading order, and how many there are.")
    dropped: int = Field(description="Quotes left out because their page does not have them.", examples=[0])


class PassageList(Record):
    """Passages that match."""

    total: int = Field(description="How many there are.", examples=[1])
    passages: list[TaggedPassage] = Field(description="Those from `offset` on, newest reports first, in reading order.")


BankName = Annotated[str, Path(max_length=200, description="A bank, by name or alias.", examples=["青岛农商银行"])]
MaxQuotes = Annotated[int, Query(ge=1, le=20, description="At most so many quotes a dimension.", examples=[3])]
MaxCases = Annotated[int, Query(ge=1, le=1000, description="At most so many cases.", examples=[20])]
MaxFigures = Annotated[int, Query(ge=1, le=1000, description="At most so many figures.", examples=[50])]
WantedPassages = Annotated[Filters, Depends(ReadFilters("limit", "offset"))]


@router.get("/v1/banks", tags=["corpus"], responses=answers(BankList, UnknownName, *INDEX_ERRORS, asks=False))
def banks(shelf: OfShelf, request: Request) -> BankList:
    """The banks that passages are about, with how many in each dimension."""
    refuse_unknown(request, ())
    with shelf.borrow() as library:
        found = bank_entries(library.catalogue)
    return BankList(total=len(found), banks=[bank_record(entry) for entry in found])


@router.get(
    "/v1/banks/{name}", tags=["corpus"], responses=answers(BankDetail, UnknownName, NothingMatches, *INDEX_ERRORS)
)
def bank(
    shelf: OfShelf,
    request: Request,
    name: BankName,
    quotes: MaxQuotes = QUOTES,
    cases: MaxCases = CASES,
    figures: MaxFigures = FIGURES,
) -> BankDetail:
    """One bank, with what it was and became: quotes by dimension, topics over the years, cases, figures."""
    refuse_unknown(request, ("quotes", "cases", "figures"))
    with shelf.borrow() as library:
        profile = bank_profile(library.catalogue, name, quotes, cases, figures)
    return BankDetail.model_validate(profile_json(profile))


@router.get("/v1/passages", tags=["corpus"], responses=answers(PassageList, UnknownName, NothingMatches, *INDEX_ERRORS))
def passages(shelf: OfShelf, filters: WantedPassages, limit: Limit = 50, offset: Offset = 0) -> PassageList:
    """The passages that match, in reading order, those of the newest reports first."""
    with shelf.borrow() as library:
        found = browse(library.catalogue, filters, limit, offset)
    shown = [passage_json(stored.passage, stored.document) for stored in found.items]
    return PassageList.model_validate({"total": found.total, "passages": shown})


def bank_record(entry: BankEntry) -> BankRecord:
    """The record of a bank."""
    return BankRecord(
        name=entry.name,
        kind=entry.kind,
        region=entry.region,
        aliases=list(entry.aliases),
        passages=entry.passages,
        cases=entry.cases,
        dimensions=dict(entry.dimensions),
        years=list(entry.years),
    )


def profile_json(profile: BankProfile) -> dict[str, Any]:
    """All there is about a bank."""
    return {
        "bank": bank_record(profile.entry),
        "before": list(profile.before),
        "after": list(profile.after),
        "dimensions": [dimension_json(held) for held in profile.dimensions],
        "topics": [
            {
                "topic": one.topic,
                "label": one.label,
                "dimension": one.dimension,
                "passages": one.passages,
                "years": {str(year): count for year, count in one.years.items()},
            }
            for one in profile.topics
        ],
        "cases": {"total": profile.cases.total, "cases": [case_json(case) for case in profile.cases.items]},
        "figures": {"total": profile.figures.total, "figures": [figure_json(one) for one in profile.figures.items]},
        "dropped": profile.dropped,
    }


def dimension_json(held: DimensionHolding) -> dict[str, Any]:
    """What there is of a bank in a dimension."""
    return {
        "dimension": held.dimension,
        "passages": held.passages,
        "quotes": [
            {
                "quote": quote.citation.quote,
                "passage_id": quote.passage.id,
                "citation": citation_json(quote.citation),
                "role": quote.passage.role,
            }
            for quote in held.quotes
        ],
    }
