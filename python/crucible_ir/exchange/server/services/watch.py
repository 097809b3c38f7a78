"""One watch: it sends the past and future changes that a caller requested and may see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.services.commands import RUN
from crucible_ir.exchange.server.services.conversions import document_message, record_message
from crucible_ir.exchange.server.services.streaming import send
from crucible_ir.exchange.store.errors import DocumentNotFoundError, RunTooLongError
from crucible_ir.exchange.store.records import GapReason, MissingChanges

if TYPE_CHECKING:
    from crucible_ir.exchange.server.options import Settings
    from crucible_ir.exchange.server.rpc.call_context import Caller
    from crucible_ir.exchange.server.rpc.call_hooks import Context
    from crucible_ir.exchange.server.rpc.drain import Draining
    from crucible_ir.exchange.server.services.change_broadcaster import (
        ChangeBroadcaster,
        WatchPosition,
    )
    from crucible_ir.exchange.store import Store
    from crucible_ir.exchange.store.records import StoredEntry, StoredRecord


class WatchStream:
    """Sends changes and heartbeats until the client leaves or the server drains.

    Args:
        request: Which changes to send.
        caller: The caller.
        store: The store.
        broadcaster: The changes of the store.
        settings: The settings of the services.
        draining: Whether the server drains.
        unknown_epoch: Whether the store does not know the epoch of the request.
    """

    def __init__(
        self,
        request: v1.WatchRequest,
        caller: Caller,
        store: Store,
        broadcaster: ChangeBroadcaster,
        settings: Settings,
        draining: Draining,
        *,
        unknown_epoch: bool,
    ) -> None:
        self._types = frozenset(request.types)
        self._id_prefix = request.id_prefix
        self._include_documents = request.include_documents
        self._starts_now = request.HasField("epoch") or not request.HasField("after_sequence")
        self._unknown_epoch = unknown_epoch
        self._scope = caller.scope
        self._store = store
        self._broadcaster = broadcaster
        self._draining = draining
        self._slow_consumer_seconds = settings.slow_consumer_seconds
        self._heartbeat_seconds = (
            request.heartbeat_interval_ms / 1000
            if request.HasField("heartbeat_interval_ms")
            else settings.heartbeat_seconds
        )

    async def run(self, context: Context, after: int) -> None:
        """Send the changes after a sequence number.

        Raises:
            RpcError: The server drains, or the client is too slow.
            StoreFailure: The store failed.
        """
        with self._broadcaster.following(after) as position:
            await self._run(context, position)

    async def _run(self, context: Context, position: WatchPosition) -> None:
        after = position.sequence
        # Sent separately: a status cannot follow a first message that was sent only in part.
        await context.send_initial_metadata(())
        if self._unknown_epoch:
            gap = MissingChanges(0, after, GapReason.UNKNOWN_EPOCH)
            await self._send(context, self._gap(gap))
        elif self._starts_now:
            await self._send(context, self._heartbeat(after))
        stopping = asyncio.create_task(self._draining.wait())
        due = time.monotonic() + self._heartbeat_seconds
        try:
            while not self._draining.has_begun:
                known = self._broadcaster.times_forgotten
                changes = await self._broadcaster.since(after)
                through = changes.through
                if changes.gap is not None:
                    await self._send(context, self._gap(changes.gap))
                    due = time.monotonic() + self._heartbeat_seconds
                for entry in self._wanted(changes.entries):
                    change = await self._change(entry)
                    if self._broadcaster.times_forgotten != known:
                        # This one may be purged: the rest is read again.
                        through = entry.record.sequence - 1
                        break
                    if change is not None:
                        await self._send(context, change)
                        due = time.monotonic() + self._heartbeat_seconds
                has_advanced = changes.through > after
                after = position.sequence = max(after, through)
                # Also while the changes of the past are passed over, which may take long.
                if time.monotonic() >= due:
                    await self._send(context, self._heartbeat(after))
                    due = time.monotonic() + self._heartbeat_seconds
                if has_advanced:
                    continue
                await self._wait(after, max(0.0, due - time.monotonic()), stopping)
        finally:
            stopping.cancel()
        raise self._draining.error()

    async def _wait(self, after: int, seconds: float, stopping: asyncio.Task[None]) -> None:
        waiting = asyncio.create_task(self._broadcaster.wait(after, seconds))
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def _send(self, context: Context, response: v1.WatchResponse) -> None:
        await send(context, response, within=self._slow_consumer_seconds, stream="watch")

    def _wanted(self, entries: Sequence[StoredEntry]) -> Iterator[StoredEntry]:
        """Yield the changes to send; of several appends to one revision, the last."""
        latest = {
            (entry.record.id, entry.record.revision): entry.record.sequence
            for entry in entries
            if entry.record.snapshot_count is not None
        }
        for entry in entries:
            record = entry.record
            is_replaced = record.type == RUN and record.sequence < latest.get(
                (record.id, record.revision), 0
            )
            if not is_replaced and self._wants(record):
                yield entry

    async def _change(self, entry: StoredEntry) -> v1.WatchResponse | None:
        """Return the message about a change; ``None`` if a later append replaces it."""
        record, document = entry.record, entry.document
        if self._include_documents and record.snapshot_count is not None:
            try:
                current = await self._store.get(record.type, record.id, record.revision)
            except DocumentNotFoundError:
                # A compaction removed the revision, and the change with it.
                return None
            except RunTooLongError:
                pass
            else:
                if current.record.sequence != record.sequence:
                    return None
                record, document = current.record, current.document
        if not self._include_documents:
            document = None
        change = v1.Change(record=record_message(record), document=document_message(document))
        return v1.WatchResponse(change=change)

    def _wants(self, record: StoredRecord) -> bool:
        return (
            (not self._types or record.type in self._types)
            and record.id.startswith(self._id_prefix)
            and self._scope.allows(record.type, record.id)
        )

    def _gap(self, gap: MissingChanges) -> v1.WatchResponse:
        return v1.WatchResponse(
            gap=v1.Gap(
                after_sequence=gap.after,
                through_sequence=gap.through,
                reason=f"GAP_REASON_{gap.reason.name}",
                epoch=self._broadcaster.epoch,
            )
        )

    def _heartbeat(self, sequence: int) -> v1.WatchResponse:
        heartbeat = v1.Heartbeat(sequence=sequence, epoch=self._broadcaster.epoch)
        heartbeat.time.GetCurrentTime()
        return v1.WatchResponse(heartbeat=heartbeat)
