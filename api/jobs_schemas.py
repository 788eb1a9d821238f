"""What the endpoints of jobs take and give, field by field."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.schemas import Record, example_of

JOB = "6f1c2a9e0b7d4c5f8a3e1d2c4b5a6978"
NONE = "; empty where there is none yet"

TaskName = Literal["ingest", "reindex", "remove", "correct"]
StateName = Literal["queued", "running", "done", "failed", "cancelled"]


class JobProgress(Record):
    """How far a job is."""

    stage: str = Field(
        description="waiting (another command is writing to the index), reading, embedding or storing; else empty.",
        examples=[""],
    )
    pages_done: int = Field(description="Pages that are read.", examples=[117])
    pages_total: int = Field(description="Pages of the file; 0 while that is not known.", examples=[117])
    units_done: int = Field(description="Passages and sentences that are embedded.", examples=[1480])
    units_total: int = Field(description="Passages and sentences to embed; 0 while that is not known.", examples=[1480])


class JobNews(Record):
    """What a report brought that was read: compared with its versions before, and its banks with the whole library."""

    passages: int = Field(description="Passages that it has.", examples=[412])
    new_passages: int = Field(description="Those whose words no version of it had before.", examples=[412])
    cases: list[str] = Field(
        description="Titles of its cases that are new, at most ten.", examples=[["青岛农商银行：人才从内部长出来"]]
    )
    case_count: int = Field(description="How many cases are new.", examples=[1])
    banks: list[str] = Field(
        description="Banks that its passages are about.", examples=[["青岛农商银行", "佛山农商银行"]]
    )
    new_banks: list[str] = Field(
        description="Those that nothing in the library was about before.", examples=[["佛山农商银行"]]
    )


class JobDetail(Record):
    """A job: what was asked for, how far it is, what came of it."""

    id: str = Field(description="Its id; /v1/jobs/{id} has its present state.", examples=[JOB])
    task: TaskName = Field(description="ingest, reindex, remove or correct.", examples=["ingest"])
    file: str = Field(description="Name of the file, as it was given.", examples=["survey2023.pdf"])
    state: StateName = Field(description="queued, running, done, failed or cancelled.", examples=["done"])
    cancelling: bool = Field(description="Whether it is about to be cancelled.", examples=[False])
    reason: str = Field(description="Why it failed, or what it waits for; else empty.", examples=[""])
    progress: JobProgress = Field(description="How far it is.")
    outcome: str = Field(
        description="Once it is done: added, replaced, updated, moved, unchanged, reindexed, removed or corrected;"
        " else empty.",
        examples=["added"],
    )
    document: str | None = Field(
        description="Id of the report that was added, read again, removed or corrected; null before it is known.",
        examples=["9c71824403b59fe5"],
    )
    title: str = Field(description=f"Title of that report{NONE}.", examples=["中小银行金融科技发展研究报告"])
    passages: int = Field(description="Passages that the report has after it.", examples=[412])
    news: JobNews | None = Field(
        description="Once an ingest or reindex is done: what the report brought; else null.",
        examples=[example_of(JobNews)],
    )
    by: str = Field(description="Name of the key that asked for it; empty where no keys are used.", examples=["desk"])
    asked: str = Field(description="When it was asked for, ISO 8601 in UTC.", examples=["2026-03-30T08:15:00+00:00"])
    begun: str = Field(description=f"When it was begun{NONE}.", examples=["2026-03-30T08:15:00+00:00"])
    ended: str = Field(description=f"When it ended{NONE}.", examples=["2026-03-30T08:15:40+00:00"])


class JobList(Record):
    """Jobs, the newest first."""

    total: int = Field(description="How many there are, listed or not.", examples=[1])
    jobs: list[JobDetail] = Field(description="Those asked for.")


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class TagCorrection(BaseModel):
    """Tags to set on a passage by hand; what is left out stays as it is. Empty lists, "" and the year 0 say: none."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"dimension": "组织", "topics": ["talent"]}, "minProperties": 1}
    )

    banks: Annotated[list[Words], Field(max_length=50)] | None = Field(
        default=None, description="The banks that it is about.", examples=[["青岛农商银行"]]
    )
    dimension: Words | None = Field(default=None, description="Its dimension.", examples=["组织"])
    topics: Annotated[list[Words], Field(max_length=3)] | None = Field(
        default=None, description="Its topics, by id or label, the main one first.", examples=[["talent"]]
    )
    role: Literal["背景", "措施", "效果", "观点", "调研", "政策", "建议", "其他"] | None = Field(
        default=None, description="Its part in the argument.", examples=["措施"]
    )
    year: Annotated[int, Field(ge=0, le=2100)] | None = Field(
        default=None, description="The year of the matter that it tells.", examples=[2022]
    )
    region: Annotated[str, StringConstraints(max_length=50)] | None = Field(
        default=None, description="The region that it tells of.", examples=["山东 青岛"]
    )

    @model_validator(mode="after")
    def _sets_something(self) -> "TagCorrection":
        if not self.model_dump(exclude_none=True):
            raise ValueError("names no tag to set")
        return self
