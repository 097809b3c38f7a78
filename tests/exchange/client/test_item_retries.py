"""Items that are rejected with a retryable error are sent again and stored once."""

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

#: Functions that send many items with a client, given the address, the items and the policy.
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


class FlakyStore:
    """A store whose first attempts fail, before or after the change is made.

    Args:
        store: The store.
        fails: Returns how many attempts fail for an id.
        after: Whether an attempt fails after the change is made.
    """

    def __init__(self, store: Store, fails: Callable[[str], int], *, after: bool = False) -> None:
        self._store = store
        self._fails = fails
        self._after = after
        self.attempts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def publish(self, publication: Any) -> Any:
        return await self._attempt(
            publication.document.decode("latin-1"),
            publication.id,
            self._store.publish,
            publication,
        )

    async def ingest(self, events: Any, **named: Any) -> Any:
        id_ = events[0].id.decode()
        return await self._attempt(id_, id_, self._store.ingest, events)

    async def _attempt(
        self, key: str, id_: str, work: Callable[[Any], Awaitable[Any]], argument: Any
    ) -> Any:
        self.attempts[key] += 1
        fails = self.attempts[key] <= self._fails(id_)
        if fails and not self._after:
            raise StoreUnavailableError("not now")
        # The change is made even if the call is cancelled meanwhile.
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
async def test_a_publication_is_retried_until_it_is_accepted_and_stored_once(
    tmp_path: Path, publish: Publish, after: bool
) -> None:
    store: Any = FlakyStore(
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
    store: Any = FlakyStore(await open_store(tmp_path / "x.db"), lambda _: 1)
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
async def test_a_publication_that_is_never_accepted_has_a_retryable_error(
    tmp_path: Path, publish: Publish, policy: RetryPolicy, attempts: int
) -> None:
    store: Any = FlakyStore(
        await open_store(tmp_path / "x.db"), lambda id_: 10**6 if id_ == "m1" else 0
    )
    async with serving(store) as server:
        outcomes = await publish(f"127.0.0.1:{server.port}", models(3), policy, 30)
        assert [outcome.published is None for outcome in outcomes] == [False, True, False]
        rejected = outcomes[1]
        assert rejected.error is not None
        assert (rejected.error.code, rejected.retryable) == ("UNAVAILABLE", True)
        assert max(store.attempts.values()) == attempts


@pytest.mark.parametrize("publish", PUBLISHING)
async def test_a_publication_that_times_out_blocks_the_others_no_longer(
    tmp_path: Path, publish: Publish
) -> None:
    store: Any = FlakyStore(
        await open_store(tmp_path / "x.db"), lambda id_: 10**6 if id_ == "m0" else 0
    )
    async with serving(store) as server, asyncio.timeout(60):
        outcomes = await publish(f"127.0.0.1:{server.port}", models(200), QUICK, 4.0)
        assert [outcome.index for outcome in outcomes] == list(range(200))
        assert [outcome.published is None for outcome in outcomes] == [True] + [False] * 199
        assert max(store.attempts.values()) > 5


@pytest.mark.parametrize("publish", PUBLISHING)
async def test_an_invalid_publication_is_not_retried(tmp_path: Path, publish: Publish) -> None:
    store: Any = FlakyStore(await open_store(tmp_path / "x.db"), lambda _: 0)
    async with serving(store) as server:
        documents = [v1.ModelRef(id="x" * 600), v1.ModelRef(id="m")]
        outcomes = await publish(f"127.0.0.1:{server.port}", documents, QUICK, 30)
        rejected = outcomes[0]
        assert rejected.error is not None
        assert (rejected.error.code, rejected.retryable) == ("INVALID_ARGUMENT", False)
        assert outcomes[1].published is not None


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("ingest", INGESTING)
async def test_a_batch_of_events_that_the_store_fails_to_store_is_retried_and_stored_once(
    tmp_path: Path, ingest: Ingest, after: bool
) -> None:
    store: Any = FlakyStore(await open_store(tmp_path / "x.db"), lambda _: 1, after=after)
    events = [v1.FeedbackEvent(id=f"m{number}") for number in range(50)]
    async with serving(store) as server:
        report = await ingest(f"127.0.0.1:{server.port}", events, QUICK)
        assert (report.total, report.refused_count) == (50, 0)
        # Every batch fails once. A batch that was stored counts as a duplicate when it is retried:
        # the store failed afterwards, or another batch ended the stream before its answer.
        assert report.resent >= 8
        assert report.accepted + report.duplicates == 50
        exported = server.feedback.Export(exchange_v1.ExportRequest())
        kept = [event.id async for answer in exported for event in answer.events]
        assert sorted(kept) == sorted(event.id for event in events)


class SelectiveService(FeedbackServiceServicer):
    """Accepts an event at the attempt in its id, or never."""

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
                    # RESOURCE_EXHAUSTED, which is transient because the server says so.
                    error = exchange_v1.ItemError(code=8, message="not now", retryable=True)
                    answer.rejected.add(index=index, error=error)
                else:
                    answer.accepted += 1
                    self.kept.append(event.id)
            yield answer


@asynccontextmanager
async def selective_service() -> AsyncIterator[tuple[SelectiveService, str]]:
    server = grpc.aio.server()
    service = SelectiveService()
    add_FeedbackServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield service, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.mark.parametrize("ingest", INGESTING)
async def test_events_that_are_rejected_with_a_retryable_error_are_sent_again(
    ingest: Ingest,
) -> None:
    events = [v1.FeedbackEvent(id=f"{number}/{number % 4 + 1}") for number in range(60)]
    async with selective_service() as (server, address):
        report = await ingest(address, events, QUICK)
        assert (report.accepted, report.duplicates, report.refused_count) == (60, 0, 0)
        # Of four events, one is sent twice, one three times and one four times.
        assert report.retried == 15 * (1 + 2 + 3)
        assert report.resent == 0
        assert sorted(server.kept) == sorted(event.id for event in events)


@pytest.mark.parametrize("ingest", INGESTING)
async def test_events_without_attempts_left_are_reported_with_their_index(ingest: Ingest) -> None:
    wanted = {3: "never", 10: "later", 17: "2", 41: "later"}
    events = [v1.FeedbackEvent(id=f"{n}/{wanted.get(n, '1')}") for n in range(50)]
    policy = RetryPolicy(first_delay=0.01, most_attempts=3)
    async with selective_service() as (server, address):
        report = await ingest(address, events, policy)
        rejected = sorted((item.index, item.id, item.retryable) for item in report.refused)
        assert rejected == [(3, "3/never", False), (10, "10/later", True), (41, "41/later", True)]
        assert (report.accepted, report.total) == (47, 50)
        assert (server.attempts["3/never"], server.attempts["10/later"]) == (1, 3)


def attempts() -> Attempts:
    return Attempts(RetryPolicy(first_delay=60, longest_delay=60), 3600)


def rejection(index: int) -> exchange_v1.BatchPublishResponse:
    error = exchange_v1.ItemError(code=14, message="not now", retryable=True)
    return exchange_v1.BatchPublishResponse(index=index, error=error)


def published(index: int) -> exchange_v1.BatchPublishResponse:
    return exchange_v1.BatchPublishResponse(
        index=index, published=exchange_v1.PublishResponse(created=True)
    )


def taken(outbox: PublicationOutbox) -> list[int]:
    return [request.index for request in iter(outbox.take, None)]


def test_a_delayed_publication_limits_how_far_the_others_get_ahead() -> None:
    outbox = PublicationOutbox(attempts, most_outstanding=4)
    for model in models(4):
        assert outbox.has_room
        outbox.add(Publication(model).request())
    assert not outbox.has_room
    assert taken(outbox) == [0, 1, 2, 3]
    for index in (1, 2, 3):
        outbox.receive(published(index))
    assert not outbox.has_room
    outbox.receive(rejection(0))
    assert not outbox.has_room
    assert (list(outbox.outcomes), taken(outbox)) == ([], [])
    assert outbox.due_in is not None
    assert 0 < outbox.due_in <= 60
    assert not outbox.is_empty
    # A delayed publication does not count as idle time of the server.
    assert outbox.idle_seconds == 0.0


def test_a_later_publication_of_the_same_document_is_blocked_and_never_due() -> None:
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
    # After a broken connection they are sent in the same order.
    outbox.requeue()
    assert taken(outbox) == [1, 3, 2]
    for index in (3, 1, 2):
        outbox.receive(published(index))
    assert taken(outbox) == [4]
    outbox.receive(published(4))
    assert [outcome.index for outcome in outbox.outcomes] == [0, 1, 2, 3, 4]
    assert outbox.is_empty


def test_delayed_events_do_not_close_the_open_batch() -> None:
    outbox = EventOutbox(max_events=2, max_seconds=3600, attempts=attempts)
    for number in range(2):
        outbox.add(v1.FeedbackEvent(id=f"{number}"))
    batch = outbox.take()
    assert batch is not None
    answer = exchange_v1.IngestResponse(batch_id=batch.batch_id, accepted=1)
    answer.rejected.add(index=1, error=rejection(0).error)
    assert outbox.receive(answer) == []
    outbox.add(v1.FeedbackEvent(id="2"))
    assert outbox.take() is None
    assert outbox.due_in is not None
    assert 0 < outbox.due_in <= 60
    assert (outbox.report.retried, outbox.report.total) == (1, 1)
