"""The service for feedback events: ingest, export, summarize and configure them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, cast

from crucible_ir import v1 as ir_v1
from crucible_ir.errors import DecodeError
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.personal_data.policies import Policies
from crucible_ir.exchange.server.personal_data.redaction import HASHED_FIELDS
from crucible_ir.exchange.server.rpc.call_context import (
    Caller,
    current_actor,
    current_caller,
)
from crucible_ir.exchange.server.rpc.drain import Draining
from crucible_ir.exchange.server.rpc.errors import (
    RpcError,
    field_violation,
    invalid_argument,
    translate,
)
from crucible_ir.exchange.server.rpc.request_validation import check_request
from crucible_ir.exchange.server.services.conversions import (
    item_error,
    microseconds_of,
    timestamp_message,
)
from crucible_ir.exchange.server.services.event_rows import event_rows, redacted_row, rows_of_values
from crucible_ir.exchange.server.services.export_audit import ExportProgress, audited_export
from crucible_ir.exchange.server.services.ingest_batches import ReceivedBatch
from crucible_ir.exchange.server.services.page_tokens import PageTokens, query_hash
from crucible_ir.exchange.server.services.streaming import answer_in_order, send
from crucible_ir.exchange.server.services.summaries import groupings, summaries_of
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.errors import FeedbackConfigsChangedError
from crucible_ir.exchange.store.records import (
    EVERYTHING,
    EventQuery,
    EventRow,
    EventSelection,
    FeedbackConfigRow,
    SummaryQuery,
)
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceServicer
from crucible_ir.schema.unknown_fields import reject_unreadable
from crucible_ir.validation.check import violations
from crucible_ir.validation.guards import guard_feedback_event

if TYPE_CHECKING:
    from crucible_ir.exchange.server.personal_data.handling import PersonalData
    from crucible_ir.exchange.server.rpc.call_hooks import Context

#: The default of a request's batch_size.
BATCH_SIZE = 500

#: How many events are checked before the event loop runs other calls.
EVENTS_PER_TURN = 200

#: How many bytes of events are redacted before the event loop runs other calls; an event counts as
#: some bytes more than it has. A larger event is redacted on a thread.
REDACTED_BYTES_PER_TURN = 128 * 1024
_EVENT_COST = 1024

#: The default of a request's page_size.
CONFIGS_PAGE_SIZE = 100


class FeedbackService(FeedbackServiceServicer):
    """Implements ``crucible_ir.exchange.v1.FeedbackService`` on a store."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        draining: Draining,
        page_tokens: PageTokens,
        personal_data: PersonalData,
    ) -> None:
        self._store = store
        self._settings = settings
        self._draining = draining
        self._page_tokens = page_tokens
        self._personal_data = personal_data

    async def Ingest(
        self, request_iterator: AsyncIterable[v1.IngestRequest], context: Context
    ) -> AsyncIterator[v1.IngestResponse]:
        """Store batches of events in their order, and acknowledge each batch when it is durable.

        The requests are parsed by `ReceivedBatch.parse`: see `registration`.
        """
        caller = current_caller()
        batches = cast("AsyncIterable[ReceivedBatch]", request_iterator)
        preparing = asyncio.Lock()

        def answer(batch: ReceivedBatch) -> Awaitable[v1.IngestResponse]:
            return self._ingest(batch, caller, preparing)

        in_flight = self._settings.batches_in_flight
        responses = answer_in_order(batches, answer, in_flight=in_flight, draining=self._draining)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def _ingest(
        self, batch: ReceivedBatch, caller: Caller, preparing: asyncio.Lock
    ) -> v1.IngestResponse:
        """Check, redact and store a batch.

        Args:
            batch: The batch.
            caller: The caller.
            preparing: Held by the batch of a stream that is being prepared, so that no later batch
                of the stream reaches the store before it. The lock is fair.
        """
        if batch.values is None:
            check_request(batch.request)
        response = v1.IngestResponse(batch_id=batch.request.batch_id)
        rows: list[EventRow] = []
        async with preparing:
            for start in range(0, len(batch.contents), EVENTS_PER_TURN):
                if start:
                    await asyncio.sleep(0)
                rows += _rows(batch, start, caller, response)
            count, has_unknown_fields = len(batch.contents), batch.has_unknown_fields
            # Free the batch: the store needs only the rows.
            del batch
            policies = await self._personal_data.policies.current()
            prepared = await self._prepared(rows, policies, has_unknown_fields=has_unknown_fields)
        duplicates: list[int] = []
        while prepared:
            # Nothing is awaited between the end of the preparation and the queue of the store.
            try:
                duplicates = await self._store.ingest(prepared, configs_version=policies.version)
                break
            except FeedbackConfigsChangedError:
                policies = await self._personal_data.policies.read()
            async with preparing:
                prepared = await self._prepared(
                    rows, policies, has_unknown_fields=has_unknown_fields
                )
        response.accepted = len(rows) - len(duplicates)
        if duplicates:
            rejected = {item.index for item in response.rejected}
            indices = [index for index in range(count) if index not in rejected]
            response.duplicates.extend(indices[duplicate] for duplicate in duplicates)
        return response

    async def _prepared(
        self, rows: list[EventRow], policies: Policies, *, has_unknown_fields: bool
    ) -> list[EventRow]:
        """Return the rows to store: redacted if the configurations require it."""
        if not policies.redact:
            return rows
        return await self._redacted(rows, policies, has_unknown_fields=has_unknown_fields)

    async def _redacted(
        self, rows: list[EventRow], policies: Policies, *, has_unknown_fields: bool
    ) -> list[EventRow]:
        redactor = await self._personal_data.redactor()
        redact = partial(redactor.redacted, has_unknown_fields=has_unknown_fields)
        found = []
        size = 0
        for row in rows:
            deployment_id = row.deployment_id
            if policies.of(None if deployment_id is None else deployment_id.decode()).redacts:
                if len(row.event) > REDACTED_BYTES_PER_TURN:
                    event = await asyncio.to_thread(redact, row.event)
                else:
                    event = redact(row.event)
                row = redacted_row(row, event)
                size += _EVENT_COST + len(row.event)
            found.append(row)
            if size >= REDACTED_BYTES_PER_TURN:
                size = 0
                await asyncio.sleep(0)
        return found

    async def Export(self, request: v1.ExportRequest, context: Context) -> None:
        """Send events in the order of their arrival."""
        async with audited_export(self._store, request) as progress:
            await self._export(request, context, progress)

    async def _export(
        self, request: v1.ExportRequest, context: Context, progress: ExportProgress
    ) -> None:
        query = _query(request, current_caller())
        hashed = query_hash(request, "batch_size", "cursor")
        after = await self._page_tokens.read_position(hashed, request.cursor, "cursor")
        limit = request.batch_size if request.HasField("batch_size") else BATCH_SIZE
        through = await self._store.last_event()
        while after < through:
            page = await self._draining.unless_begun(
                self._store.export(query, after=after, through=through, limit=limit)
            )
            after = page.through
            if not page.events:
                continue
            response = v1.ExportResponse(
                events=(ir_v1.FeedbackEvent.FromString(event.event) for event in page.events),
                cursor=await self._page_tokens.write(hashed, after),
                publishers=(event.publisher or "" for event in page.events),
                redacted=(index for index, event in enumerate(page.events) if event.redacted),
            )
            progress.events += len(page.events)
            within = self._settings.slow_consumer_seconds
            await send(context, response, within=within, stream="export")

    async def Summarize(
        self, request: v1.SummarizeRequest, context: Context
    ) -> v1.SummarizeResponse:
        """Summarize events by type and time, and what else the request groups by."""
        query = SummaryQuery(
            _query(request, current_caller()),
            request.bucket.ToMicroseconds() if request.HasField("bucket") else None,
            groupings(request),
        )
        return summaries_of(await self._store.summarize(query, self._settings.summary_limits))

    async def EraseFeedback(
        self, request: v1.EraseFeedbackRequest, context: Context
    ) -> v1.EraseFeedbackResponse:
        """Erase events, for some seconds."""
        current_caller().check_everything()
        selection = await self._selection(request)
        hashed = query_hash(request, "cursor")
        after = await self._page_tokens.read(hashed, request.cursor, "cursor")
        erasure = await self._store.erase_events(
            selection,
            after=after if isinstance(after, int) else 0,
            actor=current_actor(),
            count_only=request.validate_only,
        )
        return v1.EraseFeedbackResponse(
            events=erasure.events,
            cursor=await self._page_tokens.write(hashed, erasure.reached),
            pending=erasure.pending,
        )

    async def _selection(self, request: v1.EraseFeedbackRequest) -> EventSelection:
        """Return the events to erase.

        Raises:
            RpcError: The request has no condition.
        """
        has = request.HasField
        redactor = await self._personal_data.redactor()
        ids = {
            name: (value, redactor.hashed(name, value))
            for name in HASHED_FIELDS
            if (value := getattr(request, name))
        }
        selection = EventSelection(
            user_ids=ids.get("user_id"),
            session_ids=ids.get("session_id"),
            deployment_id=request.deployment_id if has("deployment_id") else None,
            start_time=microseconds_of(request.start_time) if has("start_time") else None,
            end_time=microseconds_of(request.end_time) if has("end_time") else None,
        )
        if selection == EventSelection():
            reason = "at least one condition must be set"
            raise field_violation("", "erase_feedback.condition_required", reason)
        start, end = selection.start_time, selection.end_time
        if start is not None and end is not None and start > end:
            reason = "must not be before start_time"
            raise field_violation("end_time", "erase_feedback.time_order", reason)
        return selection

    async def SetFeedbackConfig(
        self, request: v1.SetFeedbackConfigRequest, context: Context
    ) -> v1.SetFeedbackConfigResponse:
        """Set or remove a configuration of feedback."""
        current_caller().check_everything()
        config = None
        if request.HasField("config"):
            config = request.config.SerializeToString(deterministic=True)
        changed = await self._store.set_feedback_config(
            _deployment_id(request), config, current_actor()
        )
        if changed:
            await self._personal_data.policies.read()
            self._personal_data.expiry.wake()
        return v1.SetFeedbackConfigResponse(changed=changed)

    async def GetFeedbackConfig(
        self, request: v1.GetFeedbackConfigRequest, context: Context
    ) -> v1.GetFeedbackConfigResponse:
        """Return the configuration that applies to a deployment."""
        current_caller().check_everything()
        deployment_id = _deployment_id(request)
        stored = await self._store.feedback_configs()
        entries = {row.deployment_id: row for row in stored.rows}
        row = entries.get(deployment_id) or entries.get(None)
        policy = Policies.read(stored).of(deployment_id)
        return v1.GetFeedbackConfigResponse(
            entry=None if row is None else _config_entry(row),
            redacts=policy.redacts,
            retention_days=policy.retention_days,
        )

    async def ListFeedbackConfigs(
        self, request: v1.ListFeedbackConfigsRequest, context: Context
    ) -> v1.ListFeedbackConfigsResponse:
        """Return one page of the configurations."""
        current_caller().check_everything()
        query = query_hash(request, "page_size", "page_token")
        after = await self._page_tokens.read(query, request.page_token)
        rows, last = await self._store.list_feedback_configs(
            after=after if isinstance(after, str) else None,
            limit=request.page_size if request.HasField("page_size") else CONFIGS_PAGE_SIZE,
        )
        return v1.ListFeedbackConfigsResponse(
            entries=map(_config_entry, rows),
            next_page_token=await self._page_tokens.write(query, last),
        )


def _deployment_id(
    request: v1.SetFeedbackConfigRequest | v1.GetFeedbackConfigRequest,
) -> str | None:
    return request.deployment_id if request.HasField("deployment_id") else None


def _config_entry(row: FeedbackConfigRow) -> v1.FeedbackConfigEntry:
    return v1.FeedbackConfigEntry(
        deployment_id=row.deployment_id,
        config=ir_v1.FeedbackConfig.FromString(row.config),
        update_time=timestamp_message(row.update_time),
    )


def _rows(
    batch: ReceivedBatch, start: int, caller: Caller, response: v1.IngestResponse
) -> list[EventRow]:
    """Return the rows of some events of a batch, and add the rejected ones to the response."""
    some = slice(start, start + EVENTS_PER_TURN)
    contents = batch.contents[some]
    publisher = None if caller.name is None else caller.name.encode()
    if batch.values is not None and caller.scope is EVERYTHING:
        return rows_of_values([values[some] for values in batch.values], contents, publisher)
    events = batch.events[some]
    # An event that is certainly valid needs no other check.
    is_enough = caller.scope is EVERYTHING and not batch.has_unknown_fields
    if not (is_enough and _certainly_valid(events)):
        accepted = []
        for index, event in enumerate(events):
            is_certain = is_enough and _certainly_valid([event])
            error = None if is_certain else _rejection(event, caller)
            if error is None:
                accepted.append(index)
            else:
                response.rejected.add(index=start + index, error=item_error(error))
        events = [events[index] for index in accepted]
        contents = [contents[index] for index in accepted]
    return event_rows(events, contents, publisher)


def _certainly_valid(events: Iterable[ir_v1.FeedbackEvent]) -> bool:
    """Return whether the guards of all events are certain."""
    try:
        return all(map(guard_feedback_event, events))
    except Exception:
        return False


def _rejection(event: ir_v1.FeedbackEvent, caller: Caller) -> RpcError | None:
    """Return the error of an event that cannot be stored; ``None`` if it can."""
    try:
        reject_unreadable(event)
        broken = violations(event)
        if broken:
            return invalid_argument("invalid event", broken)
        caller.check("FeedbackEvent", event.id)
    except (DecodeError, RpcError) as error:
        return translate(error)
    return None


def _query(request: v1.ExportRequest | v1.SummarizeRequest, caller: Caller) -> EventQuery:
    has = request.HasField
    return EventQuery(
        deployment_id=request.deployment_id if has("deployment_id") else None,
        feedback_types=tuple(request.feedback_types),
        model_version=request.model_version if has("model_version") else None,
        start_time=microseconds_of(request.start_time) if has("start_time") else None,
        end_time=microseconds_of(request.end_time) if has("end_time") else None,
        scope=caller.scope,
    )
