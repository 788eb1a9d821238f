"""Figures for Prometheus at /metrics: requests, what questions found, the index, the jobs, this process."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from api.logs import Served
from api.problems import documented
from kb.catalogue import STORE_FILE
from kb.errors import KbError, UnknownName
from kb.jobs.queue import ENDS, Job, Queue, State, Task
from kb.records import Answer
from kb.search import SearchResult
from kb.settings import Settings
from kb.store import Store

router = APIRouter()

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
HITS = (0, 1, 3, 5, 10, 20, 50, 100)
JOB_SECONDS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that are told apart; anybody can send others, of any name."""


class Metrics:
    """The figures of one application, in a registry of their own."""

    def __init__(self, settings: Settings) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory and time of the process, where the system tells them
        self._registry.register(IndexFigures(settings))
        self._ingests = IngestFigures(settings, self._registry)
        self._seconds = Histogram(
            "kb_request_seconds",
            "Time until an answer began, by template of the address",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._questions = Counter(
            "kb_questions", "Questions answered, and abstained from", ("kind", "abstained"), registry=self._registry
        )
        self._hits = Histogram("kb_search_hits", "Results of a search", buckets=HITS, registry=self._registry)
        for kind in ("search", "ask"):
            for abstained in ("false", "true"):
                self._questions.labels(kind, abstained)  # there from the start, as 0

    def served(self, found: Served) -> None:
        """Count a request. Addresses that there are not count as one, whatever they are; so do other methods."""
        method = found.method if found.method in METHODS else "other"
        self._seconds.labels(method if found.route else "", found.route, str(found.status)).observe(found.seconds)

    def searched(self, result: SearchResult) -> None:
        """Count a search and what it found."""
        self._questions.labels("search", str(result.abstained).lower()).inc()
        self._hits.observe(len(result.hits))

    def asked(self, answer: Answer) -> None:
        """Count an answer."""
        self._questions.labels("ask", str(answer.abstained).lower()).inc()

    def text(self) -> bytes:
        """All figures in the text format of Prometheus."""
        self._ingests.look()
        return generate_latest(self._registry)


class IngestFigures:
    """Counts of the ingestions that ended since the server began, found in the queue whenever figures are asked for.

    The queue remembers the last thousand jobs: of more that end between two looks the oldest are missed.
    """

    def __init__(self, settings: Settings, registry: CollectorRegistry) -> None:
        self._queue = Queue(settings.index, settings.queue_length)
        self._since = datetime.now(UTC).replace(microsecond=0)
        self._counted: set[str] = set()
        self._looking = Lock()
        self._jobs = Counter(
            "kb_ingested", "Uploads worked off, by what became of them", ("outcome",), registry=registry
        )
        self._pages = Counter("kb_ingested_pages", "Pages of the uploads that were read", registry=registry)
        self._passages = Counter("kb_ingested_passages", "Passages of the uploads that were stored", registry=registry)
        self._seconds = Histogram(
            "kb_ingest_seconds",
            "Time from the start to the end of an upload's job",
            buckets=JOB_SECONDS,
            registry=registry,
        )
        for outcome in ("added", "replaced", "unchanged", "failed"):
            self._jobs.labels(outcome)  # there from the start, as 0

    def look(self) -> None:
        """Count what has ended since the last look."""
        with self._looking, suppress(KbError):  # a queue that cannot be read leaves the figures as they are
            ended = {
                job.id: job
                for job in self._queue.jobs()
                if job.state in ENDS and job.order.task is Task.INGEST and moment(job.ended) >= self._since
            }
            for identity in ended.keys() - self._counted:
                self._count(ended[identity])
            self._counted = set(ended)  # those that the queue has forgotten do not come back

    def _count(self, job: Job) -> None:
        self._jobs.labels(job.outcome.what if job.state is State.DONE else job.state.value).inc()
        if job.state is State.DONE and job.outcome.what in ("added", "replaced"):
            self._pages.inc(job.progress.pages_total)
            self._passages.inc(job.outcome.passages)
        if job.begun:  # else it was cancelled while it waited
            self._seconds.observe((moment(job.ended) - moment(job.begun)).total_seconds())


def moment(told: str) -> datetime:
    """A time as jobs have it."""
    return datetime.fromisoformat(told)


class IndexFigures(Collector):
    """What the index holds and what its jobs do, looked up whenever the figures are asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: names are known only with an index."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """kb_index_up is 0 where there is no index that opens; the others are then left out."""
        try:
            with Store.open(self._settings.index / STORE_FILE) as store:
                generation, counts = store.snapshot(), store.count_passages()
        except KbError:
            yield GaugeMetricFamily("kb_index_up", "Whether there is an index that opens", 0)
        else:
            yield GaugeMetricFamily("kb_index_up", "Whether there is an index that opens", 1)
            yield GaugeMetricFamily("kb_generation", "Changes of the index so far", generation)
            yield GaugeMetricFamily("kb_documents", "Live reports", len(counts))
            yield GaugeMetricFamily("kb_passages", "Live passages", sum(counts.values()))
        yield from self._jobs()

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("kb_jobs", "Jobs that are kept, by state; queued is the queue", labels=["state"])
        try:
            for state, count in Queue(self._settings.index, self._settings.queue_length).counts().items():
                jobs.add_metric([state.value], count)
        except KbError:
            return
        yield jobs


def metrics_of(request: Request) -> Metrics:
    """The figures of the application."""
    found: Metrics = request.app.state.metrics
    return found


OfMetrics = Annotated[Metrics, Depends(metrics_of)]


@router.get(
    "/metrics",
    tags=["service"],
    response_class=Response,
    responses={
        **documented(UnknownName),
        200: {"description": "The figures.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
def metrics(request: Request, figures: OfMetrics) -> Response:
    """Figures of the service in the text format of Prometheus."""
    if request.query_params:
        raise UnknownName("there are no parameters in this address; all figures are told")
    return Response(figures.text(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
