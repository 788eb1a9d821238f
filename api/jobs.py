"""The endpoints that change the index, each by a job: re-reading, removals, corrections; and those that
follow jobs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.jobs_schemas import JOB, JobDetail, JobList, JobNews, JobProgress, StateName, TagCorrection
from api.problems import documented, on_kb_error
from api.routes import INDEX_ERRORS, DocumentId, Limit, Offset, OfShelf, PassageId, answers, refuse_unknown
from api.schemas import Record, example_of
from api.shelf import Shelf
from kb.errors import (
    DiskFull,
    IndexBusy,
    IndexDamaged,
    JobEnded,
    KbError,
    NotFound,
    QueueFull,
    Superseded,
    UnknownName,
)
from kb.jobs.queue import ENDS, Job, Order, State, Task
from kb.jobs.runner import Runner
from kb.store import now

ROOM_SECONDS = 30
"""When to come back where the queue is full: a report takes about so long."""


class AskingRoute(APIRoute):
    """A route that says when to come back where the queue is full."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with Retry-After."""
        handle = super().get_route_handler()

        async def asked(request: Request) -> Response:
            try:
                return await handle(request)
            except QueueFull as error:
                response = on_kb_error(request, error)
                response.headers["Retry-After"] = str(ROOM_SECONDS)
                return response

        return asked


router = APIRouter(route_class=AskingRoute)

LOOK_SECONDS = 0.3
"""How often a stream of events looks for a change."""

FRESH_SECONDS = 60
"""A job that ended longer ago is surely seen by searches."""

SEEN_SECONDS = 10
"""A job is told of as done after so long, even where its generation does not appear: the index was taken away."""

JobId = Annotated[str, Path(max_length=200, description="Id of a job.", examples=[JOB])]


def runner_of(request: Request) -> Runner:
    """What works off the jobs of the application."""
    runner: Runner = request.app.state.jobs
    return runner


OfRunner = Annotated[Runner, Depends(runner_of)]


def caller_of(request: Request) -> str:
    """The name of the key that asks; empty where none is asked for."""
    name: str = getattr(request.state, "caller", "")
    return name


Caller = Annotated[str, Depends(caller_of)]


def no_parameters(request: Request) -> None:
    """Raise UnknownName for any parameter in the address."""
    refuse_unknown(request, ())


QUEUE_ERRORS = (IndexBusy, IndexDamaged, DiskFull)
ASKED_ERRORS = (UnknownName, QueueFull, *QUEUE_ERRORS)


def accepted(*kinds: type[KbError]) -> dict[int | str, dict[str, Any]]:
    """What an endpoint that queues a job answers with, for OpenAPI."""
    found = documented(*kinds, *ASKED_ERRORS, asks=True)
    found[202] = {
        "description": "The job; Location leads to it.",
        "content": {"application/json": {"example": example_of(JobDetail)}},
    }
    return found


def listed(model: type[Record], *kinds: type[KbError]) -> dict[int | str, dict[str, Any]]:
    """What an endpoint that reads the queue answers with, for OpenAPI."""
    return answers(model, *QUEUE_ERRORS, *kinds)


@router.delete(
    "/v1/documents/{id}",
    tags=["jobs"],
    status_code=202,
    responses=accepted(NotFound, *INDEX_ERRORS),
    dependencies=[Depends(no_parameters)],
)
def remove(response: Response, shelf: OfShelf, runner: OfRunner, caller: Caller, id: DocumentId) -> JobDetail:
    """Take a report out of the index with all its passages; the answer is a job."""
    with shelf.borrow() as library:
        document = library.store.document(id)
    order = Order(Task.REMOVE, document.file, target=document.id)
    return told_of(runner, response, runner.queue.add(order, caller))


@router.post(
    "/v1/documents/{id}/reindex",
    tags=["jobs"],
    status_code=202,
    responses=accepted(NotFound, Superseded, *INDEX_ERRORS),
    dependencies=[Depends(no_parameters)],
)
def reindex(response: Response, shelf: OfShelf, runner: OfRunner, caller: Caller, id: DocumentId) -> JobDetail:
    """Read the file of a report again, as it is now, whether or not it has changed; the answer is a job.

    Metadata and tags that were set by hand hold, and where the words are the same, so do the ids of passages.
    """
    with shelf.borrow() as library:
        document = library.store.document(id)
        newer = library.store.superseded_by(id)
    if document.status != "live":
        way_out = f"read that one again: {newer}" if newer else "bring its file in again"
        raise Superseded(f"{document.file} {id} was replaced by a newer version; {way_out}")
    order = Order(Task.REINDEX, document.file, target=document.id)
    return told_of(runner, response, runner.queue.add(order, caller))


@router.put(
    "/v1/passages/{id}/tags",
    tags=["jobs"],
    status_code=202,
    responses=accepted(NotFound, *INDEX_ERRORS),
    dependencies=[Depends(no_parameters)],
)
def correct_tags(
    response: Response,
    shelf: OfShelf,
    runner: OfRunner,
    caller: Caller,
    id: PassageId,
    wanted: Annotated[TagCorrection, Body()],
) -> JobDetail:
    """Set tags of a passage by hand, which holds at every tagging from now on; the answer is a job."""
    return told_of(runner, response, order_tags(shelf, runner, caller, id, wanted.model_dump_json(exclude_none=True)))


@router.delete(
    "/v1/passages/{id}/tags",
    tags=["jobs"],
    status_code=202,
    responses=accepted(NotFound, *INDEX_ERRORS),
    dependencies=[Depends(no_parameters)],
)
def restore_tags(response: Response, shelf: OfShelf, runner: OfRunner, caller: Caller, id: PassageId) -> JobDetail:
    """Take back what was set by hand on a passage; the answer is a job."""
    return told_of(runner, response, order_tags(shelf, runner, caller, id, "null"))


@router.get("/v1/jobs", tags=["jobs"], responses=listed(JobList, UnknownName))
def jobs(
    request: Request,
    runner: OfRunner,
    state: Annotated[StateName | None, Query(description="Only jobs in this state.", examples=["running"])] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> JobList:
    """The jobs, the newest first; of those that have ended the last thousand."""
    refuse_unknown(request, ("state", "limit", "offset"))
    wanted = State(state) if state else None
    counts = runner.queue.counts()
    total = counts[wanted] if wanted else sum(counts.values())
    return JobList(total=total, jobs=[job_json(job) for job in runner.queue.jobs(wanted, limit, offset)])


def known_jobs(runner: OfRunner) -> list[Job]:
    """All jobs. Raises what is wrong with the queue before a stream is begun."""
    return runner.queue.jobs(limit=-1)


@router.get(
    "/v1/jobs/events",
    tags=["jobs"],
    response_class=EventSourceResponse,
    responses=documented(UnknownName, *QUEUE_ERRORS, asks=True),
    dependencies=[Depends(no_parameters)],
)
async def jobs_events(
    shelf: OfShelf,
    runner: OfRunner,
    known: Annotated[list[Job], Depends(known_jobs)],
    last: Annotated[
        str,
        Header(
            alias="Last-Event-ID",
            max_length=100,
            description="Id of the last event that was heard, as browsers send it: jobs that ended since are told too.",
            examples=["2026-03-30T08:15:40+00:00"],
        ),
    ] = "",
) -> AsyncIterator[ServerSentEvent]:
    """All jobs as server-sent events: those that wait or run, then each job at each change, until the client leaves.

    The data of each event are those of /v1/jobs/{id}. It ends after a quarter of an hour, to be asked for again.
    """
    told = {one.id: one.version for one in known if one.state in ENDS and not (last and one.ended >= last)}
    while True:
        looked = now()
        for identity, version in (await run_in_threadpool(runner.queue.versions)).items():
            if version > told.get(identity, 0):
                found = await run_in_threadpool(runner.queue.job, identity)
                told[identity] = found.version
                yield ServerSentEvent(data=await run_in_threadpool(seen_job, shelf, found), id=looked)
        await asyncio.sleep(LOOK_SECONDS)


@router.get(
    "/v1/jobs/{id}",
    tags=["jobs"],
    responses=listed(JobDetail, NotFound, UnknownName),
    dependencies=[Depends(no_parameters)],
)
def job(shelf: OfShelf, runner: OfRunner, id: JobId) -> JobDetail:
    """A job as it is now. What is done is seen by every search from then on."""
    return seen_job(shelf, runner.queue.job(id))


@router.delete(
    "/v1/jobs/{id}",
    tags=["jobs"],
    status_code=202,
    responses=accepted(NotFound, JobEnded),
    dependencies=[Depends(no_parameters)],
)
def cancel(runner: OfRunner, id: JobId) -> JobDetail:
    """Cancel a job: one that is queued at once, one that runs in a moment; nothing of it is stored.

    A correction that has begun takes a second, and is not broken off.
    """
    return job_json(runner.queue.cancel(id))


def known_job(runner: OfRunner, id: JobId) -> Job:
    """A job by its id. Raises NotFound before a stream is begun."""
    return runner.queue.job(id)


@router.get(
    "/v1/jobs/{id}/events",
    tags=["jobs"],
    response_class=EventSourceResponse,
    responses=documented(NotFound, UnknownName, *QUEUE_ERRORS, asks=True),
    dependencies=[Depends(no_parameters)],
)
async def job_events(
    shelf: OfShelf, runner: OfRunner, found: Annotated[Job, Depends(known_job)]
) -> AsyncIterator[ServerSentEvent]:
    """A job as server-sent events: as it is now, then at each change, until it has ended.

    The data of each event are those of /v1/jobs/{id}.
    """
    version = 0
    while True:
        if found.version != version:
            version = found.version
            yield ServerSentEvent(data=await run_in_threadpool(seen_job, shelf, found), id=str(version))
        if found.state in ENDS:
            return
        await asyncio.sleep(LOOK_SECONDS)
        found = await run_in_threadpool(runner.queue.job, found.id)


def order_tags(shelf: Shelf, runner: Runner, caller: str, passage_id: str, given: str) -> Job:
    """Queue the correction of a passage's tags. Raises NotFound."""
    with shelf.borrow() as library:
        file = library.store.passage(passage_id).document.file
    return runner.queue.add(Order(Task.CORRECT, file, target=passage_id, given=given), caller)


def told_of(runner: Runner, response: Response, queued: Job) -> JobDetail:
    """The answer to who asked for a job, which is begun now."""
    runner.wake()
    response.headers["Location"] = f"/v1/jobs/{queued.id}"
    return job_json(queued)


def seen_job(shelf: Shelf, found: Job) -> JobDetail:
    """A job; that it is done is told only when the shelf lends what it made, so that who is told so finds it."""
    if found.state is State.DONE and age(found.ended) < FRESH_SECONDS:
        until = time.monotonic() + SEEN_SECONDS
        with suppress(KbError):  # an index that cannot be read is told of by who reads it
            while time.monotonic() < until and not lends(shelf, found.outcome.generation):
                time.sleep(0.05)
    return job_json(found)


def lends(shelf: Shelf, generation: int) -> bool:
    """Whether requests are answered from this generation, or a later one."""
    with shelf.borrow() as library:
        return library.generation >= generation


def age(when: str) -> float:
    """Seconds since then."""
    return (datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds()


def job_json(found: Job) -> JobDetail:
    """A job as the API tells of it: where its file lies stays on the server."""
    return JobDetail(
        id=found.id,
        task=found.order.task.value,
        file=found.order.file,
        state=found.state.value,
        cancelling=found.cancelling,
        reason=found.reason,
        progress=JobProgress(**asdict(found.progress)),
        outcome=found.outcome.what,
        document=found.outcome.document or None,
        title=found.outcome.title,
        passages=found.outcome.passages,
        news=JobNews.model_validate_json(found.outcome.news) if found.outcome.news else None,
        by=found.by,
        asked=found.asked,
        begun=found.begun,
        ended=found.ended,
    )
