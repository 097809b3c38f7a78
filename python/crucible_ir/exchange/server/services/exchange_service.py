"""The service for documents: publish, get, list, delete, watch, compact and trace."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from crucible_ir.errors import near_miss, shorten
from crucible_ir.exchange import v1
from crucible_ir.exchange.content import indexed_fields
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.call_context import (
    Caller,
    current_actor,
    current_caller,
)
from crucible_ir.exchange.server.rpc.drain import Draining
from crucible_ir.exchange.server.rpc.errors import (
    RpcError,
    error_info,
    field_violation,
    translate,
)
from crucible_ir.exchange.server.rpc.request_validation import check_request
from crucible_ir.exchange.server.services.change_broadcaster import ChangeBroadcaster
from crucible_ir.exchange.server.services.commands import (
    RUN,
    append_command,
    check_type,
    content_of,
    delete_command,
    publish_command,
)
from crucible_ir.exchange.server.services.conversions import (
    document_message,
    entry_message,
    item_error,
    record_message,
    reference_message,
    write_entry,
)
from crucible_ir.exchange.server.services.page_tokens import PageTokens, query_hash
from crucible_ir.exchange.server.services.retention import compact_history
from crucible_ir.exchange.server.services.search.compiling import order_of, predicate_of
from crucible_ir.exchange.server.services.streaming import answer_in_order
from crucible_ir.exchange.server.services.watch import WatchStream
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.errors import RunTooLongError
from crucible_ir.exchange.store.records import (
    Comparison,
    Condition,
    DocumentKey,
    LineageQuery,
    ListQuery,
    MetricsQuery,
    NodeState,
    NumberOrder,
    Predicate,
    PublishResult,
    StoredEntry,
    StoredRecord,
)
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceServicer
from crucible_ir.schema.references import FieldReference, references_of
from crucible_ir.schema.types import descriptor_of, message_type

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Context

#: The defaults of a request's page_size, that of points, max_depth and max_nodes.
PAGE_SIZE = 100
POINTS = 1000
MAX_DEPTH = 32
MAX_NODES = 1000

#: The most responses to cache, and the largest, in bytes: larger ones cost more to send than to
#: serialize.
MAX_CACHED_RESPONSES: Final = 1024
MAX_CACHED_BYTES: Final = 4096

_Direction = v1.LineageDirection


class ResponseCache:
    """Serialized responses, by the sequence number of a revision, which never changes."""

    def __init__(self) -> None:
        self._responses: dict[int, bytes] = {}

    def response(self, entry: StoredEntry) -> bytes:
        """Return the ``GetResponse`` with an entry, serialized."""
        sequence = entry.record.sequence
        cached = self._responses.get(sequence)
        if cached is not None:
            return cached
        message = v1.GetResponse()
        write_entry(entry, message)
        response = message.SerializeToString()
        if len(response) <= MAX_CACHED_BYTES:
            if len(self._responses) >= MAX_CACHED_RESPONSES:
                # Responses that are still in demand are soon cached again.
                self._responses.clear()
            self._responses[sequence] = response
        return response

    def clear(self) -> None:
        """Forget all responses."""
        self._responses.clear()


class ExchangeService(ExchangeServiceServicer):
    """Implements ``crucible_ir.exchange.v1.ExchangeService`` on a store."""

    def __init__(
        self,
        store: Store,
        broadcaster: ChangeBroadcaster,
        settings: Settings,
        draining: Draining,
        page_tokens: PageTokens,
    ) -> None:
        self._store = store
        self._broadcaster = broadcaster
        self._settings = settings
        self._draining = draining
        self._responses = ResponseCache()
        broadcaster.on_forget(self._responses.clear)
        self._page_tokens = page_tokens

    async def Publish(self, request: v1.PublishRequest, context: Context) -> v1.PublishResponse:
        """Store a document."""
        return await self._publish(request, current_caller())

    async def BatchPublish(
        self, request_iterator: AsyncIterable[v1.BatchPublishRequest], context: Context
    ) -> AsyncIterator[v1.BatchPublishResponse]:
        """Store many documents, each independently."""
        caller = current_caller()

        async def answer(request: v1.BatchPublishRequest) -> v1.BatchPublishResponse:
            try:
                check_request(request)
                published = await self._publish(request.publish, caller)
            except Exception as error:
                rejection = item_error(translate(error))
                return v1.BatchPublishResponse(index=request.index, error=rejection)
            return v1.BatchPublishResponse(index=request.index, published=published)

        in_flight = self._settings.batches_in_flight
        responses = answer_in_order(
            request_iterator, answer, in_flight=in_flight, draining=self._draining
        )
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def _publish(self, request: v1.PublishRequest, caller: Caller) -> v1.PublishResponse:
        command = publish_command(request, caller)
        if request.validate_only:
            published = await self._store.preview(command)
        else:
            published = await self._store.publish(command)
        return _publish_response(published, self._broadcaster.epoch)

    async def Get(self, request: v1.GetRequest, context: Context) -> v1.GetResponse:
        """Return one document."""
        check_type(request.type)
        current_caller().check(request.type, request.id)
        entry = await self._store.get(request.type, request.id, _revision(request))
        # It is serialized already: see `registration`.
        return cast("v1.GetResponse", self._responses.response(entry))

    async def List(self, request: v1.ListRequest, context: Context) -> v1.ListResponse:
        """Return one page of the documents of a type."""
        check_type(request.type)
        query = query_hash(request, "page_size", "page_token")
        newest_first = request.order != v1.ListOrder.LIST_ORDER_ID
        after = await self._page_tokens.read(query, request.page_token)
        page = await self._store.list_documents(
            ListQuery(
                type=request.type,
                conditions=(*_conditions(request), *_filter(request)),
                by_number=_by_number(request),
                newest_first=newest_first,
                after=None if isinstance(after, str) else after,
                limit=request.page_size if request.HasField("page_size") else PAGE_SIZE,
                include_deleted=request.include_deleted,
                include_documents=request.include_documents,
                readable_by=request.readable_by if request.HasField("readable_by") else None,
                scope=current_caller().scope,
            )
        )
        return v1.ListResponse(
            epoch=self._broadcaster.epoch,
            entries=map(entry_message, page.entries),
            next_page_token=await self._page_tokens.write(query, page.next),
            filter_applied=bool(request.filter or request.order_by),
        )

    async def ListRevisions(
        self, request: v1.ListRevisionsRequest, context: Context
    ) -> v1.ListRevisionsResponse:
        """Return one page of the revisions of a document."""
        check_type(request.type)
        current_caller().check(request.type, request.id)
        query = query_hash(request, "page_size", "page_token")
        before = await self._page_tokens.read(query, request.page_token)
        page = await self._store.list_revisions(
            request.type,
            request.id,
            before=before if isinstance(before, int) else None,
            limit=request.page_size if request.HasField("page_size") else PAGE_SIZE,
            include_documents=request.include_documents,
        )
        return v1.ListRevisionsResponse(
            entries=map(entry_message, page.entries),
            next_page_token=await self._page_tokens.write(query, page.next),
        )

    async def Delete(self, request: v1.DeleteRequest, context: Context) -> v1.DeleteResponse:
        """Delete a document."""
        record = await self._store.delete(delete_command(request, current_caller()))
        return v1.DeleteResponse(record=record_message(record))

    async def Watch(self, request: v1.WatchRequest, context: Context) -> None:
        """Send past and future changes until the client cancels or the server drains."""
        for type_ in request.types:
            check_type(type_, "types")
        position = await self._store.position()
        known = {epoch.name for epoch in await self._store.epochs()}
        is_unknown = bool(request.epoch) and request.epoch not in known
        after = request.after_sequence if request.HasField("after_sequence") else position
        if is_unknown:
            after = position
        _check_sequence(after, position)
        watch = WatchStream(
            request,
            current_caller(),
            self._store,
            self._broadcaster,
            self._settings,
            self._draining,
            unknown_epoch=is_unknown,
        )
        await watch.run(context, after)

    async def Compact(self, request: v1.CompactRequest, context: Context) -> v1.CompactResponse:
        """Remove the beginning of the history."""
        current_caller().check_everything()
        if request.HasField("within"):
            compacted = await compact_history(
                self._store, request.within.ToMicroseconds(), current_actor()
            )
        else:
            _check_sequence(request.after_sequence, await self._store.position())
            compacted = await self._store.compact(request.after_sequence, current_actor())
        return v1.CompactResponse(oldest_sequence=compacted + 1)

    async def Purge(self, request: v1.PurgeRequest, context: Context) -> v1.PurgeResponse:
        """Remove a deleted document with its history."""
        check_type(request.type)
        current_caller().check(request.type, request.id)
        purge = await self._store.purge(
            request.type, request.id, current_actor(), count_only=request.validate_only
        )
        if not request.validate_only:
            self._broadcaster.forget()
        return v1.PurgeResponse(revisions=purge.revisions, pending=purge.pending)

    async def TraceLineage(
        self, request: v1.TraceLineageRequest, context: Context
    ) -> v1.TraceLineageResponse:
        """Trace the lineage of a document."""
        check_type(request.type)
        caller = current_caller()
        caller.check(request.type, request.id)
        references, record = await self._start(request)
        both = request.direction == _Direction.LINEAGE_DIRECTION_BOTH
        downstream = request.direction == _Direction.LINEAGE_DIRECTION_DOWNSTREAM
        lineage = await self._store.trace(
            LineageQuery(
                start=DocumentKey(request.type, request.id),
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
                    reference=reference_message(node.key),
                    state=f"LINEAGE_NODE_STATE_{node.state.name}",
                    depth=node.depth,
                    record=None if node.record is None else record_message(node.record),
                    candidates=map(reference_message, node.candidates),
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
            missing=(reference_message(node.key) for node in lineage.nodes if node.state in absent),
            truncated=lineage.truncated,
        )

    async def AppendMetrics(
        self, request: v1.AppendMetricsRequest, context: Context
    ) -> v1.AppendMetricsResponse:
        """Append to a training run."""
        command = append_command(request, current_caller())
        if request.validate_only:
            result = await self._store.preview_append(command)
        else:
            result = await self._store.append(command)
        return v1.AppendMetricsResponse(
            record=record_message(result.record), count=result.count, unchanged=result.unchanged
        )

    async def ReadMetrics(
        self, request: v1.ReadMetricsRequest, context: Context
    ) -> v1.ReadMetricsResponse:
        """Return one page of the snapshots of a training run."""
        current_caller().check(RUN, request.id)
        query = query_hash(request, "page_size", "page_token")
        after = await self._page_tokens.read(query, request.page_token)
        page = await self._store.read_metrics(
            MetricsQuery(
                id=request.id,
                revision=_revision(request),
                keys=frozenset(request.keys),
                first=request.first,
                max_points=request.max_points if request.HasField("max_points") else None,
                after=None if after is None else str(after),
                limit=request.page_size if request.HasField("page_size") else POINTS,
            )
        )
        return v1.ReadMetricsResponse(
            record=record_message(page.record),
            run=page.run,
            count=page.count,
            points=(
                v1.MetricsPoint(position=position, snapshot=snapshot)
                for position, snapshot in page.points
            ),
            next_page_token=await self._page_tokens.write(query, page.next),
        )

    async def _start(
        self, request: v1.TraceLineageRequest
    ) -> tuple[tuple[FieldReference, ...] | None, StoredRecord | None]:
        """Return the references and the record of an earlier revision, if a trace starts there."""
        revision = _revision(request)
        if revision is None:
            return None, None
        try:
            entry = await self._store.get(request.type, request.id, revision)
        except RunTooLongError:
            # Its references are not in the metrics history.
            page = await self._store.read_metrics(MetricsQuery(request.id, revision, limit=1))
            return tuple(references_of(page.run, request.id)), page.record
        document = document_message(entry.document)
        if document is None:
            return (), entry.record
        return tuple(references_of(content_of(document), request.id)), entry.record


def _check_sequence(sequence: int, latest: int) -> None:
    """Raise `RpcError` for a sequence number beyond the latest change."""
    if sequence > latest:
        raise RpcError(
            grpc.StatusCode.OUT_OF_RANGE,
            f"unknown sequence number {sequence}: the latest change is {latest}",
            [error_info("SEQUENCE_AHEAD", {"latest": str(latest)})],
        )


def _publish_response(published: PublishResult, epoch: str) -> v1.PublishResponse:
    return v1.PublishResponse(
        epoch=epoch,
        record=record_message(published.record),
        created=published.created,
        unchanged=published.unchanged,
    )


def _revision(
    request: v1.GetRequest | v1.ReadMetricsRequest | v1.TraceLineageRequest,
) -> int | None:
    return request.revision if request.HasField("revision") else None


def _filter(request: v1.ListRequest) -> Iterable[Predicate]:
    """Yield the condition of the filter of a list request, if there is one.

    Raises:
        RpcError: The filter is invalid.
    """
    if request.filter.strip():
        yield predicate_of(request.filter, request.type)


def _by_number(request: v1.ListRequest) -> NumberOrder | None:
    """Return the number to order by, if there is one.

    Raises:
        RpcError: It is unknown, or the request has another order too.
    """
    if not request.order_by.strip():
        return None
    if request.order:
        raise field_violation("order_by", "order_by.alone", "must not be set beside order")
    return order_of(request.order_by, request.type)


def _conditions(request: v1.ListRequest) -> Iterable[Condition]:
    """Yield the conditions of a list request.

    Raises:
        RpcError: The type does not have the field, or it is not indexed.
    """
    fields = indexed_fields(descriptor_of(message_type(request.type)))
    # The two members of an open vocabulary are one field.
    indexes = {member.name: name for name, members in fields.items() for member in members}
    indexes["id"] = "id"
    for index, filter_ in enumerate(request.filters):
        if filter_.field not in indexes:
            guess = near_miss(filter_.field, indexes)
            reason = f"{request.type} cannot be filtered by {shorten(filter_.field)}{guess}"
            raise field_violation(f"filters[{index}].field", "filter.field_known", reason)
        yield _condition(indexes[filter_.field], filter_)


def _condition(index: str, filter_: Any) -> Condition:
    member = filter_.WhichOneof("condition")
    return Condition(index, Comparison(member), getattr(filter_, member))
