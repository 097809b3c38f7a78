"""Items that are refused for a passing reason are sent again, and nothing is doubled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import serving

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    ExchangeClient,
    IngestReport,
    Outcome,
    RetryPolicy,
)
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.client.batches import EventOutbox
from crucible_ir.exchange.client.outbox import PublicationOutbox
from crucible_ir.exchange.client.requests import Publication
from crucible_ir.exchange.client.retrying import Attempts
from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.errors import StoreUnavailableError
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import (
    FeedbackServiceServicer,
    add_FeedbackServiceServicer_to_server,
)

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.05)

#: What a client does with many items: it is given the address, the items and the policy.
Publish = Callable[[str, Sequence[v1.ModelRef], RetryPolicy, float], Awaitable[list[Outcome]]]
Ingest = Callable[[str, Sequence[v1.FeedbackEvent], RetryPolicy], Awaitable[IngestReport]]


async def publish_from_threads(
    address: str, documents: Sequence[v1.ModelRef], policy: RetryPolicy, timeout: float
) -> list[Outcome]:
    def work() -> list[Outcome]:
        with ExchangeClient(address, retry=policy, timeout=timeout) as client:
            return list(client.publish_many(documents))

    return await asyncio.to_thread(work)


async def publish_from_asyncio(
    address: str, documents: Sequence[v1.ModelRef], policy: RetryPolicy, timeout: float
) -> list[Outcome]:
    async with AsyncExchangeClient(address, retry=policy, timeout=timeout) as client:
        return [outcome async for outcome in client.publish_many(documents)]


async def ingest_from_threads(
    address: str, events: Sequence[v1.FeedbackEvent], policy: RetryPolicy
) -> IngestReport:
    def work() -> IngestReport:
        with ExchangeClient(address, retry=policy) as client:
            with client.ingestion(max_events=7) as ingestion:
                for event in events:
                    ingestion.add(event)
            return ingestion.report

    return await asyncio.to_thread(work)


async def ingest_from_asyncio(
    address: str, events: Sequence[v1.FeedbackEvent], policy: RetryPolicy
) -> IngestReport:
    async with AsyncExchangeClient(address, retry=policy) as client:
        async with client.ingestion(max_events=7) as ingestion:
            for event in events:
                await ingestion.add(event)
        return ingestion.report


PUBLISHING = [publish_from_threads, publish_from_asyncio]
INGESTING = [ingest_from_threads, ingest_from_asyncio]


class Unsteady:
    """A store that fails at the first attempts, before or after it has done what it was asked.

    Args:
        store: The store.
        fails: Tells for an id how often it fails.
        after: Whether it fails when all is done, so that nobody knows.
    """

    def __init__(self, store: Store, fails: Callable[[str], int], *, after: bool = False) -> None:
        self._store = store
        self._fails = fails
        self._after = after
        self.attempts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def publish(self, publication: Any) -> Any:
        return await self._unsteadily(
            publication.document.decode("latin-1"),
            publication.id,
            self._store.publish,
            publication,
        )

    async def ingest(self, events: Any) -> Any:
        id_ = events[0].id.decode()
        return await self._unsteadily(id_, id_, self._store.ingest, events)

    async def _unsteadily(
        self, key: str, id_: str, work: Callable[[Any], Awaitable[Any]], argument: Any
    ) -> Any:
        self.attempts[key] += 1
        fails = self.attempts[key] <= self._fails(id_)
        if fails and not self._after:
            raise StoreUnavailableError("not now")
        # Done even where whoever asks has gone meanwhile: the next attempt is not the first.
        result = await asyncio.shield(work(argument))
        if fails:
            raise StoreUnavailableError("not now")
        return result


def models(count: int) -> list[v1.ModelRef]:
    return [v1.ModelRef(id=f"m{number}") for number in range(count)]


def number_of(id_: str) -> int:
    return int(id_.lstrip("m"))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("publish", PUBLISHING)
async def test_a_publication_is_sent_again_until_it_is_taken_and_stored_once(
    tmp_path: Path, publish: Publish, after: bool
) -> None:
    store: Any = Unsteady(
        await open_store(tmp_path / "x.db"), lambda id_: number_of(id_) % 3, after=after
    )
    async with serving(store) as server:
        outcomes = await publish(f"127.0.0.1:{server.port}", models(100), QUICK, 30)
        assert [outcome.index for outcome in outcomes] == list(range(100))
        for number, outcome in enumerate(outcomes):
            assert outcome.error is None
            assert outcome.published is not None
            assert (outcome.published.record.id, outcome.published.created) == (f"m{number}", True)
        assert sorted(Counter(store.attempts.values()).items()) == [(1, 34), (2, 33), (3, 33)]
        listed = await server.exchange.List(
            exchange_v1.ListRequest(type="ModelRef", page_size=1000)
        )
        assert {entry.record.revision for entry in listed.entries} == {1}
        assert len(listed.entries) == 100
        assert max(entry.record.sequence for entry in listed.entries) == 100


@pytest.mark.parametrize("publish", PUBLISHING)
async def test_revisions_of_one_document_keep_their_order(tmp_path: Path, publish: Publish) -> None:
    store: Any = Unsteady(await open_store(tmp_path / "x.db"), lambda _: 1)
    documents = [v1.ModelRef(id=f"m{n % 2}", name=f"{n}") for n in range(40)]
    async with serving(store) as server:
        outcomes = await publish(f"127.0.0.1:{server.port}", documents, QUICK, 30)
        assert all(outcome.published for outcome in outcomes)
        for which in range(2):
            revisions = await server.exchange.ListRevisions(
                exchange_v1.ListRevisionsRequest(
                    type="ModelRef", id=f"m{which}", include_documents=True
                )
            )
            names = [entry.document.model_ref.name for entry in revisions.entries]
            assert names == [f"{n}" for n in reversed(range(which, 40, 2))]


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [(RetryPolicy(most_attempts=1), 1), (RetryPolicy(first_delay=0.01, most_attempts=3), 3)],
)
@pytest.mark.parametrize("publish", PUBLISHING)
async def test_a_publication_that_is_never_taken_is_given_up_and_told_as_one_that_may_be(
    tmp_path: Path, publish: Publish, policy: RetryPolicy, attempts: int
) -> None:
    store: Any = Unsteady(
        await open_store(tmp_path / "x.db"), lambda id_: 10**6 if id_ == "m1" else 0
    )
    async with serving(store) as server:
        outcomes = await publish(f"127.0.0.1:{server.port}", models(3), policy, 30)
        assert [outcome.published is None for outcome in outcomes] == [False, True, False]
        refused = outcomes[1]
        assert refused.error is not None
        assert (refused.error.code, refused.retryable) == ("UNAVAILABLE", True)
        assert max(store.attempts.values()) == attempts


@pytest.mark.parametrize("publish", PUBLISHING)
async def test_a_publication_is_given_up_at_its_deadline_and_the_others_wait_for_it_no_longer(
    tmp_path: Path, publish: Publish
) -> None:
    store: Any = Unsteady(
        await open_store(tmp_path / "x.db"), lambda id_: 10**6 if id_ == "m0" else 0
    )
    async with serving(store) as server, asyncio.timeout(60):
        outcomes = await publish(f"127.0.0.1:{server.port}", models(200), QUICK, 4.0)
        assert [outcome.index for outcome in outcomes] == list(range(200))
        assert [outcome.published is None for outcome in outcomes] == [True] + [False] * 199
        assert max(store.attempts.values()) > 5


@pytest.mark.parametrize("publish", PUBLISHING)
async def test_what_will_never_be_taken_is_not_sent_again(tmp_path: Path, publish: Publish) -> None:
    store: Any = Unsteady(await open_store(tmp_path / "x.db"), lambda _: 0)
    async with serving(store) as server:
        documents = [v1.ModelRef(id="x" * 600), v1.ModelRef(id="m")]
        outcomes = await publish(f"127.0.0.1:{server.port}", documents, QUICK, 30)
        refused = outcomes[0]
        assert refused.error is not None
        assert (refused.error.code, refused.retryable) == ("INVALID_ARGUMENT", False)
        assert outcomes[1].published is not None


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("ingest", INGESTING)
async def test_a_batch_of_events_that_the_store_fails_to_keep_is_sent_again_and_kept_once(
    tmp_path: Path, ingest: Ingest, after: bool
) -> None:
    store: Any = Unsteady(await open_store(tmp_path / "x.db"), lambda _: 1, after=after)
    events = [v1.FeedbackEvent(id=f"m{number}") for number in range(50)]
    async with serving(store) as server:
        report = await ingest(f"127.0.0.1:{server.port}", events, QUICK)
        assert (report.total, report.refused_count) == (50, 0)
        # Every batch fails once. One that was kept counts as double when it comes again, be it
        # that the store failed afterwards or that another batch ended the stream before its answer.
        assert report.resent >= 8
        assert report.accepted + report.duplicates == 50
        exported = server.feedback.Export(exchange_v1.ExportRequest())
        kept = [event.id async for answer in exported for event in answer.events]
        assert sorted(kept) == sorted(event.id for event in events)


class Choosy(FeedbackServiceServicer):
    """Takes an event at the attempt that its id asks for, and never what asks for none."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.kept: list[str] = []

    async def Ingest(
        self, request_iterator: AsyncIterable[exchange_v1.IngestRequest], context: Any
    ) -> AsyncIterator[exchange_v1.IngestResponse]:
        async for batch in request_iterator:
            answer = exchange_v1.IngestResponse(batch_id=batch.batch_id)
            for index, event in enumerate(batch.events):
                self.attempts[event.id] += 1
                wanted = event.id.rpartition("/")[2]
                if wanted == "never":
                    error = exchange_v1.ItemError(code=3, message="never")
                    answer.rejected.add(index=index, error=error)
                elif wanted == "later" or self.attempts[event.id] < int(wanted):
                    # RESOURCE_EXHAUSTED: a passing reason, since the server says so.
                    error = exchange_v1.ItemError(code=8, message="not now", retryable=True)
                    answer.rejected.add(index=index, error=error)
                else:
                    answer.accepted += 1
                    self.kept.append(event.id)
            yield answer


@asynccontextmanager
async def choosing() -> AsyncIterator[tuple[Choosy, str]]:
    server = grpc.aio.server()
    choosy = Choosy()
    add_FeedbackServiceServicer_to_server(choosy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield choosy, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.mark.parametrize("ingest", INGESTING)
async def test_events_that_are_refused_for_a_passing_reason_are_sent_again(
    ingest: Ingest,
) -> None:
    events = [v1.FeedbackEvent(id=f"{number}/{number % 4 + 1}") for number in range(60)]
    async with choosing() as (server, address):
        report = await ingest(address, events, QUICK)
        assert (report.accepted, report.duplicates, report.refused_count) == (60, 0, 0)
        # Of every four one is sent twice, one three times and one four times.
        assert report.retried == 15 * (1 + 2 + 3)
        assert report.resent == 0
        assert sorted(server.kept) == sorted(event.id for event in events)


@pytest.mark.parametrize("ingest", INGESTING)
async def test_events_that_are_given_up_are_told_by_their_places(ingest: Ingest) -> None:
    wanted = {3: "never", 10: "later", 17: "2", 41: "later"}
    events = [v1.FeedbackEvent(id=f"{n}/{wanted.get(n, '1')}") for n in range(50)]
    policy = RetryPolicy(first_delay=0.01, most_attempts=3)
    async with choosing() as (server, address):
        report = await ingest(address, events, policy)
        told = sorted((item.index, item.id, item.retryable) for item in report.refused)
        assert told == [(3, "3/never", False), (10, "10/later", True), (41, "41/later", True)]
        assert (report.accepted, report.total) == (47, 50)
        assert (server.attempts["3/never"], server.attempts["10/later"]) == (1, 3)


def attempts() -> Attempts:
    return Attempts(RetryPolicy(first_delay=60, longest_delay=60), 3600)


def refusal(index: int) -> exchange_v1.BatchPublishResponse:
    error = exchange_v1.ItemError(code=14, message="not now", retryable=True)
    return exchange_v1.BatchPublishResponse(index=index, error=error)


def published(index: int) -> exchange_v1.BatchPublishResponse:
    return exchange_v1.BatchPublishResponse(
        index=index, published=exchange_v1.PublishResponse(created=True)
    )


def taken(outbox: PublicationOutbox) -> list[int]:
    return [request.index for request in iter(outbox.take, None)]


def test_what_waits_to_be_sent_again_bounds_how_far_the_others_get_ahead() -> None:
    outbox = PublicationOutbox(attempts, most_outstanding=4)
    for model in models(4):
        assert outbox.has_room
        outbox.add(Publication(model).request())
    assert not outbox.has_room
    assert taken(outbox) == [0, 1, 2, 3]
    for index in (1, 2, 3):
        outbox.receive(published(index))
    assert not outbox.has_room
    outbox.receive(refusal(0))
    assert not outbox.has_room
    assert (list(outbox.outcomes), taken(outbox)) == ([], [])
    assert outbox.due_in is not None
    assert 0 < outbox.due_in <= 60
    assert not outbox.is_empty
    # What waits does not make the server look silent.
    assert outbox.idle_seconds == 0.0


def test_a_later_publication_of_the_same_document_waits_and_is_no_reason_to_look_again() -> None:
    outbox = PublicationOutbox(attempts)
    for id_ in ("a", "b", "a"):
        outbox.add(Publication(v1.ModelRef(id=id_)).request())
    prompt = v1.Prompt(messages=[v1.Message(role="MESSAGE_ROLE_USER", text="hi")])
    for id_ in ("a", "a"):
        outbox.add(Publication(prompt, id=id_).request())
    assert taken(outbox) == [0, 1, 3]
    assert outbox.due_in is None
    outbox.receive(published(0))
    assert taken(outbox) == [2]
    # After a broken connection they go out as they went before.
    outbox.requeue()
    assert taken(outbox) == [1, 3, 2]
    for index in (3, 1, 2):
        outbox.receive(published(index))
    assert taken(outbox) == [4]
    outbox.receive(published(4))
    assert [outcome.index for outcome in outbox.outcomes] == [0, 1, 2, 3, 4]
    assert outbox.is_empty


def test_events_to_be_sent_again_do_not_hurry_those_at_hand() -> None:
    outbox = EventOutbox(max_events=2, max_seconds=3600, attempts=attempts)
    for number in range(2):
        outbox.add(v1.FeedbackEvent(id=f"{number}"))
    batch = outbox.take()
    assert batch is not None
    answer = exchange_v1.IngestResponse(batch_id=batch.batch_id, accepted=1)
    answer.rejected.add(index=1, error=refusal(0).error)
    assert outbox.receive(answer) == []
    outbox.add(v1.FeedbackEvent(id="2"))
    assert outbox.take() is None
    assert outbox.due_in is not None
    assert 0 < outbox.due_in <= 60
    assert (outbox.report.retried, outbox.report.total) == (1, 1)
