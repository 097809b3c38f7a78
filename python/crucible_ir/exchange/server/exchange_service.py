"""Documents: published, fetched, listed, watched and traced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, cast

import grpc
import grpc.aio

from crucible_ir.errors import ValidationError, near_miss, shorten
from crucible_ir.exchange import v1
from crucible_ir.exchange.content.fields import indexed_fields
from crucible_ir.exchange.content.references import references_of
from crucible_ir.exchange.server.boundary import check_request
from crucible_ir.exchange.server.caller import Caller, current_caller
from crucible_ir.exchange.server.conversions import (
    document_message,
    entry_message,
    item_error,
    record_message,
    reference_message,
)
from crucible_ir.exchange.server.errors import (
    RpcError,
    error_info,
    field_violation,
    permission_denied,
    translate,
)
from crucible_ir.exchange.server.feed import ChangeFeed
from crucible_ir.exchange.server.history import compact_history
from crucible_ir.exchange.server.pages import page_key, page_token, query_hash
from crucible_ir.exchange.server.publications import (
    check_type,
    content_of,
    deletion,
    publication,
)
from crucible_ir.exchange.server.settings import Settings
from crucible_ir.exchange.server.streaming import Draining, answered, send
from crucible_ir.exchange.server.written import WrittenEntries
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.records import (
    EVERYTHING,
    Changes,
    Comparison,
    Condition,
    FieldReference,
    LineageQuery,
    ListQuery,
    NodeState,
    Published,
    Record,
    Reference,
)
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceServicer
from crucible_ir.schema.types import descriptor_of, message_type

#: What a request's page_size, max_depth and max_nodes are when they are unset.
PAGE_SIZE = 100
MAX_DEPTH = 32
MAX_NODES = 1000

_Direction = v1.LineageDirection

_STATES = {
    NodeState.STORED: v1.LineageNodeState.LINEAGE_NODE_STATE_STORED,
    NodeState.EMBEDDED: v1.LineageNodeState.LINEAGE_NODE_STATE_EMBEDDED,
    NodeState.FEEDBACK: v1.LineageNodeState.LINEAGE_NODE_STATE_FEEDBACK,
    NodeState.DELETED: v1.LineageNodeState.LINEAGE_NODE_STATE_DELETED,
    NodeState.MISSING: v1.LineageNodeState.LINEAGE_NODE_STATE_MISSING,
}


class ExchangeService(ExchangeServiceServicer):
    """Implements ``crucible_ir.exchange.v1.ExchangeService`` on a store."""

    def __init__(
        self, store: Store, feed: ChangeFeed, settings: Settings, draining: Draining
    ) -> None:
        self._store = store
        self._feed = feed
        self._settings = settings
        self._draining = draining
        self._written = WrittenEntries()

    async def Publish(
        self,
        request: v1.PublishRequest,
        context: grpc.aio.ServicerContext[v1.PublishRequest, v1.PublishResponse],
    ) -> v1.PublishResponse:
        """Store a document."""
        return await self._publish(request, current_caller())

    async def BatchPublish(
        self,
        request_iterator: AsyncIterable[v1.BatchPublishRequest],
        context: grpc.aio.ServicerContext[v1.BatchPublishRequest, v1.BatchPublishResponse],
    ) -> AsyncIterator[v1.BatchPublishResponse]:
        """Store many documents, each by itself."""
        caller = current_caller()

        async def answer(request: v1.BatchPublishRequest) -> v1.BatchPublishResponse:
            try:
                check_request(request)
                published = await self._publish(request.publish, caller)
            except Exception as error:
                violations = error.violations if isinstance(error, ValidationError) else ()
                refusal = item_error(translate(error), violations)
                return v1.BatchPublishResponse(index=request.index, error=refusal)
            return v1.BatchPublishResponse(index=request.index, published=published)

        in_flight = self._settings.batches_in_flight
        responses = answered(request_iterator, answer, in_flight=in_flight, draining=self._draining)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def _publish(self, request: v1.PublishRequest, caller: Caller) -> v1.PublishResponse:
        wanted = publication(request, caller)
        if request.validate_only:
            published = await self._store.preview(wanted)
        else:
            published = await self._store.publish(wanted)
        return _publish_response(published)

    async def Get(
        self,
        request: v1.GetRequest,
        context: grpc.aio.ServicerContext[v1.GetRequest, v1.GetResponse],
    ) -> v1.GetResponse:
        """Return one document."""
        check_type(request.type)
        current_caller().check(request.type, request.id)
        entry = await self._store.get(request.type, request.id, _revision(request))
        # It is in binary already, as the registration of the services says.
        return cast("v1.GetResponse", self._written.response(entry))

    async def List(
        self,
        request: v1.ListRequest,
        context: grpc.aio.ServicerContext[v1.ListRequest, v1.ListResponse],
    ) -> v1.ListResponse:
        """Return one page of the documents of a type."""
        check_type(request.type)
        query = query_hash(request, "page_size", "page_token")
        newest_first = request.order != v1.ListOrder.LIST_ORDER_ID
        page = await self._store.list_documents(
            ListQuery(
                type=request.type,
                conditions=tuple(_conditions(request)),
                newest_first=newest_first,
                after=page_key(query, request.page_token),
                limit=request.page_size if request.HasField("page_size") else PAGE_SIZE,
                include_deleted=request.include_deleted,
                include_documents=request.include_documents,
                scope=current_caller().scope,
            )
        )
        return v1.ListResponse(
            entries=map(entry_message, page.entries),
            next_page_token=page_token(query, page.next),
        )

    async def ListRevisions(
        self,
        request: v1.ListRevisionsRequest,
        context: grpc.aio.ServicerContext[v1.ListRevisionsRequest, v1.ListRevisionsResponse],
    ) -> v1.ListRevisionsResponse:
        """Return one page of the revisions of a document."""
        check_type(request.type)
        current_caller().check(request.type, request.id)
        query = query_hash(request, "page_size", "page_token")
        before = page_key(query, request.page_token)
        page = await self._store.list_revisions(
            request.type,
            request.id,
            before=before if isinstance(before, int) else None,
            limit=request.page_size if request.HasField("page_size") else PAGE_SIZE,
            include_documents=request.include_documents,
        )
        return v1.ListRevisionsResponse(
            entries=map(entry_message, page.entries),
            next_page_token=page_token(query, page.next),
        )

    async def Delete(
        self,
        request: v1.DeleteRequest,
        context: grpc.aio.ServicerContext[v1.DeleteRequest, v1.DeleteResponse],
    ) -> v1.DeleteResponse:
        """Delete a document."""
        record = await self._store.delete(deletion(request, current_caller()))
        return v1.DeleteResponse(record=record_message(record))

    async def Watch(
        self,
        request: v1.WatchRequest,
        context: grpc.aio.ServicerContext[v1.WatchRequest, v1.WatchResponse],
    ) -> None:
        """Tell of changes, past and to come, until either side has had enough."""
        for type_ in request.types:
            check_type(type_, "types")
        watch = _Watch(request, current_caller())
        position = await self._store.position()
        after = request.after_sequence if request.HasField("after_sequence") else position
        _check_sequence(after, position)
        interval = (
            request.heartbeat_interval_ms / 1000
            if request.HasField("heartbeat_interval_ms")
            else self._settings.heartbeat_seconds
        )
        # Sent by itself: a status could not follow a first message that was given up half-way.
        await context.send_initial_metadata(())
        if not request.HasField("after_sequence"):
            await self._send(context, _heartbeat(after))
        stopping = asyncio.create_task(self._draining.wait())
        due = time.monotonic() + interval
        try:
            while not self._draining.has_begun:
                changes = await self._feed.since(after)
                for response in watch.responses(after, changes):
                    await self._send(context, response)
                    due = time.monotonic() + interval
                after = changes.through
                if changes.entries:
                    continue
                if time.monotonic() >= due:
                    await self._send(context, _heartbeat(after))
                    due = time.monotonic() + interval
                await self._wait(after, max(0.0, due - time.monotonic()), stopping)
        finally:
            stopping.cancel()
        raise self._draining.error()

    async def _wait(self, after: int, seconds: float, stopping: asyncio.Task[None]) -> None:
        waiting = asyncio.create_task(self._feed.wait(after, seconds))
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def _send(
        self,
        context: grpc.aio.ServicerContext[v1.WatchRequest, v1.WatchResponse],
        response: v1.WatchResponse,
    ) -> None:
        within = self._settings.slow_consumer_seconds
        await send(context, response, within=within, stream="watch")

    async def Compact(
        self,
        request: v1.CompactRequest,
        context: grpc.aio.ServicerContext[v1.CompactRequest, v1.CompactResponse],
    ) -> v1.CompactResponse:
        """Drop the beginning of the history."""
        if current_caller().scope != EVERYTHING:
            raise permission_denied("the credentials do not cover every document")
        if request.HasField("within"):
            compacted = await compact_history(self._store, request.within.ToMicroseconds())
        else:
            _check_sequence(request.after_sequence, await self._store.position())
            compacted = await self._store.compact(request.after_sequence)
        return v1.CompactResponse(oldest_sequence=compacted + 1)

    async def TraceLineage(
        self,
        request: v1.TraceLineageRequest,
        context: grpc.aio.ServicerContext[v1.TraceLineageRequest, v1.TraceLineageResponse],
    ) -> v1.TraceLineageResponse:
        """Follow the references of a document."""
        check_type(request.type)
        caller = current_caller()
        caller.check(request.type, request.id)
        references, record = await self._start(request)
        both = request.direction == _Direction.LINEAGE_DIRECTION_BOTH
        downstream = request.direction == _Direction.LINEAGE_DIRECTION_DOWNSTREAM
        lineage = await self._store.trace(
            LineageQuery(
                start=Reference(request.type, request.id),
                references=references,
                record=record,
                upstream=both or not downstream,
                downstream=both or downstream,
                max_depth=request.max_depth if request.HasField("max_depth") else MAX_DEPTH,
                max_nodes=request.max_nodes if request.HasField("max_nodes") else MAX_NODES,
                scope=caller.scope,
            )
        )
        absent = (NodeState.MISSING, NodeState.DELETED)
        return v1.TraceLineageResponse(
            nodes=(
                v1.LineageNode(
                    reference=reference_message(node.reference),
                    state=_STATES[node.state],
                    depth=node.depth,
                    record=None if node.record is None else record_message(node.record),
                )
                for node in lineage.nodes
            ),
            edges=(
                v1.LineageEdge(
                    source=reference_message(edge.source),
                    target=reference_message(edge.target),
                    field=edge.field,
                )
                for edge in lineage.edges
            ),
            missing=(
                reference_message(node.reference) for node in lineage.nodes if node.state in absent
            ),
            truncated=lineage.truncated,
        )

    async def _start(
        self, request: v1.TraceLineageRequest
    ) -> tuple[tuple[FieldReference, ...] | None, Record | None]:
        """Return the references of an earlier revision, where a trace starts from one."""
        revision = _revision(request)
        if revision is None:
            return None, None
        entry = await self._store.get(request.type, request.id, revision)
        document = document_message(entry.document)
        if document is None:
            return (), entry.record
        return tuple(references_of(content_of(document), request.id)), entry.record


class _Watch:
    """What one watch asked for."""

    def __init__(self, request: v1.WatchRequest, caller: Caller) -> None:
        self._types = frozenset(request.types)
        self._id_prefix = request.id_prefix
        self._include_documents = request.include_documents
        self._scope = caller.scope

    def responses(self, after: int, changes: Changes) -> Iterable[v1.WatchResponse]:
        """Yield the messages that tell of some changes."""
        if changes.gap_through:
            gap = v1.Gap(after_sequence=after, through_sequence=changes.gap_through)
            yield v1.WatchResponse(gap=gap)
        for entry in changes.entries:
            if self._wants(entry.record):
                document = entry.document if self._include_documents else None
                change = v1.Change(
                    record=record_message(entry.record), document=document_message(document)
                )
                yield v1.WatchResponse(change=change)

    def _wants(self, record: Record) -> bool:
        return (
            (not self._types or record.type in self._types)
            and record.id.startswith(self._id_prefix)
            and self._scope.allows(record.type, record.id)
        )


def _check_sequence(sequence: int, latest: int) -> None:
    """Raise `RpcError` for a sequence number that no change has yet."""
    if sequence > latest:
        raise RpcError(
            grpc.StatusCode.OUT_OF_RANGE,
            f"there is no change {sequence}: the latest is {latest}",
            [error_info("SEQUENCE_AHEAD", {"latest": str(latest)})],
        )


def _heartbeat(sequence: int) -> v1.WatchResponse:
    heartbeat = v1.Heartbeat(sequence=sequence)
    heartbeat.time.GetCurrentTime()
    return v1.WatchResponse(heartbeat=heartbeat)


def _publish_response(published: Published) -> v1.PublishResponse:
    return v1.PublishResponse(
        record=record_message(published.record),
        created=published.created,
        unchanged=published.unchanged,
    )


def _revision(request: v1.GetRequest | v1.TraceLineageRequest) -> int | None:
    return request.revision if request.HasField("revision") else None


def _conditions(request: v1.ListRequest) -> Iterable[Condition]:
    """Yield the conditions of a list.

    Raises:
        RpcError: The type has no such field, or it is not indexed.
    """
    known = {"id", *indexed_fields(descriptor_of(message_type(request.type)))}
    for index, filter_ in enumerate(request.filters):
        if filter_.field not in known:
            guess = near_miss(filter_.field, known)
            reason = f"{request.type} cannot be listed by {shorten(filter_.field)}{guess}"
            raise field_violation(f"filters[{index}].field", "filter.field_known", reason)
        yield _condition(filter_)


def _condition(filter_: Any) -> Condition:
    member = filter_.WhichOneof("condition")
    return Condition(filter_.field, Comparison(member), getattr(filter_, member))
