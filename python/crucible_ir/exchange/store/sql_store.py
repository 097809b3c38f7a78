"""The store: documents, changes and feedback events in a SQL database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from crucible_ir.exchange.store import erasure
from crucible_ir.exchange.store.audit_records import (
    SERVER,
    Actor,
    AuditAction,
    AuditEntry,
    AuditPage,
    AuditQuery,
)
from crucible_ir.exchange.store.engine.database import EVENTS_PER_WEIGHT, Database
from crucible_ir.exchange.store.engine.statistics import Measurements, Statistics
from crucible_ir.exchange.store.entry_cache import EntryCache
from crucible_ir.exchange.store.errors import StoreRejection
from crucible_ir.exchange.store.prefix_index import PrefixIndex
from crucible_ir.exchange.store.records import (
    AppendCommand,
    AppendResult,
    ChangePage,
    DeleteCommand,
    Epoch,
    Erasure,
    EventPage,
    EventQuery,
    EventRow,
    EventSelection,
    EventTally,
    EventTime,
    FeedbackConfigRow,
    FeedbackConfigRows,
    GapReason,
    LineageGraph,
    LineageQuery,
    ListQuery,
    MetricsPage,
    MetricsQuery,
    Microseconds,
    Page,
    PublishCommand,
    PublishResult,
    Purge,
    StoredEntry,
    StoredRecord,
    SummaryLimits,
    SummaryQuery,
)
from crucible_ir.exchange.store.statements import (
    audit,
    changes,
    documents,
    epochs,
    feedback,
    feedback_configs,
    feedback_removal,
    lineage,
    metrics,
    purges,
    requests,
    runs,
)
from crucible_ir.exchange.store.statements.lists import pages
from crucible_ir.exchange.store.statements.names import NO_NAME
from crucible_ir.exchange.store.summaries import roll_ups, summarizing

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")

#: How many revisions one step of a compaction scans; other writers run between steps.
COMPACTION_STEP = 5_000

#: How many events one piece of an erasure examines, and how many one transaction erases; and the
#: time in seconds after which an erasure is continued by another call.
ERASE_EXAMINED = 20_000
ERASE_DELETED = 500
ERASE_SECONDS = 5.0

#: The most names of events whose numbers are kept in memory.
MAX_EVENT_NAMES = 50_000

#: The numbers that every store has: that of no name.
NO_EVENT_NAMES: Final[Mapping[bytes | None, int]] = {None: NO_NAME}

#: The limits of summaries without limits of their own.
DEFAULT_SUMMARY_LIMITS: Final = SummaryLimits()

#: Returns the current time.
Clock = Callable[[], Microseconds]


def system_clock() -> Microseconds:
    """Return the system's time."""
    return time.time_ns() // 1000


class Store:
    """Documents with their revisions, the order of all changes, and feedback events.

    Each method is one transaction, and may raise `StoreFailure`. A method that changes something
    returns when the change is durable. The changes of a store are serialized, and their sequence
    numbers have no gaps within an epoch.
    """

    def __init__(self, database: Database, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock
        self._cache = EntryCache(database.version)
        self._event_names = dict(NO_EVENT_NAMES)
        self._prefixes = PrefixIndex(database)

    async def publish(self, command: PublishCommand) -> PublishResult:
        """Store a document.

        Raises:
            StaleEtagError: The latest revision is not the expected one.
            RequestIdReusedError: The request id was used for another request.
        """
        return await self._database.write(
            lambda connection: documents.publish(connection, command, self._clock()),
            lookups=documents.lookups(command),
        )

    async def preview(self, command: PublishCommand) -> PublishResult:
        """Return the result of `publish` without a sequence number and an etag; store nothing.

        Raises:
            StaleEtagError: As for `publish`.
            RequestIdReusedError: As for `publish`.
        """
        return await self._database.read(documents.preview, command, self._clock())

    async def delete(self, command: DeleteCommand) -> StoredRecord:
        """Add a revision without a document.

        Raises:
            DocumentNotFoundError: The document does not exist.
            StaleEtagError: The latest revision is not the expected one.
            RequestIdReusedError: The request id was used for another request.
        """
        return await self._database.write(
            lambda connection: documents.remove(connection, command, self._clock()),
            lookups=documents.lookups(command),
        )

    async def get(self, type_: str, id_: str, revision: int | None = None) -> StoredEntry:
        """Return a revision of a document with its document, by default the latest.

        Raises:
            DocumentNotFoundError: The revision does not exist, or the latest is a deletion.
            RunTooLongError: It is a training run that is too large for a message.
        """
        if revision is not None:
            return await self._find(type_, id_, revision)
        entry = self._cache.find(type_, id_)
        if entry is None:
            as_of = self._cache.as_of
            entry = await self._find(type_, id_, None)
            self._cache.add(entry, as_of)
        return entry

    async def _find(self, type_: str, id_: str, revision: int | None) -> StoredEntry:
        row = await self._database.find(documents.lookup(type_, id_, revision))
        entry = documents.entry_of(row, type_, id_, revision)
        if entry.record.snapshot_count is None:
            return entry
        # The row and the chunks of the run must be of one snapshot of the database.
        return await self._database.read(documents.complete_entry, type_, id_, revision)

    async def append(self, command: AppendCommand) -> AppendResult:
        """Append to a training run.

        Raises:
            DocumentNotFoundError: The run does not exist.
            SnapshotCountError: The run does not have the expected number of snapshots, and not the
                snapshots of the command at that place.
            StaleEtagError: The latest revision is not the expected one.
            RunFullError: The run cannot have so many snapshots or checkpoints.
            RequestIdReusedError: The request id was used for another request.
        """
        result = await self._database.write(
            lambda connection: runs.append(connection, command, self._clock()),
            lookups=runs.lookups(command),
        )
        if result.unchanged or not runs.ends(command):
            return result
        # The digest takes too long for the thread that writes.
        try:
            entry = await self._find(runs.RUN, command.id, result.record.revision)
        except StoreRejection:
            return result
        if entry.record.sequence == result.record.sequence:
            await self._database.write(partial(runs.set_digest, completed=entry))
            result = replace(result, record=entry.record)
        return result

    async def preview_append(self, command: AppendCommand) -> AppendResult:
        """Return the result of `append` without a sequence number and an etag; store nothing.

        Raises:
            StoreRejection: As for `append`.
        """
        return await self._database.read(runs.preview, command, self._clock())

    async def read_metrics(self, query: MetricsQuery) -> MetricsPage:
        """Return a page of the snapshots of a training run.

        Raises:
            DocumentNotFoundError: The run or the revision does not exist.
            ResultTooLargeError: There are too many points.
        """
        # Only a page of all snapshots costs no more than what it returns.
        is_heavy = query.max_points is not None or query.keys
        read = self._database.read_heavily if is_heavy else self._database.read
        return await read(metrics.read, query)

    async def list_documents(self, query: ListQuery) -> Page:
        """Return a page of the latest revisions of the documents of a type.

        It may have few entries, or none, and still not be the last. The first lists in a scope with
        prefixes of ids may have smaller pages, until an index of these prefixes is built.
        """
        prefixes = pages.indexable_prefixes(query)
        is_indexed = bool(prefixes) and self._prefixes.has(prefixes)
        return await self._database.read(pages.list_documents, query, has_prefix_index=is_indexed)

    async def index_prefixes(self, prefixes: Iterable[str]) -> None:
        """Build the index of the documents whose ids begin with the prefixes of a scope."""
        await self._prefixes.build(prefixes)

    async def list_revisions(
        self,
        type_: str,
        id_: str,
        *,
        before: int | None = None,
        limit: int = 100,
        include_documents: bool = False,
    ) -> Page:
        """Return a page of the revisions of a document, newest first, from before a revision.

        Raises:
            DocumentNotFoundError: The document was never published.
        """
        return await self._database.read(
            documents.list_revisions, type_, id_, before, limit, include_documents=include_documents
        )

    async def page_token_key(self) -> bytes:
        """Return the key that the servers of this store sign page tokens with."""
        return await self._database.read(changes.secret, "page_tokens")

    async def redaction_key(self) -> bytes:
        """Return the key that the servers of this store hash personal ids with."""
        return await self._database.read(changes.secret, "redaction")

    async def redaction_patterns(self) -> bytes | None:
        """Return the hash of the patterns that were set last, if any."""
        return await self._database.read(changes.find_secret, "redaction_patterns")

    async def set_redaction_patterns(self, hashed: bytes) -> None:
        """Set the hash of the patterns that a server masks."""
        await self._database.write(
            lambda connection: changes.replace_secret(connection, "redaction_patterns", hashed)
        )

    async def position(self) -> int:
        """Return the sequence number of the latest change; 0 if there is none."""
        return int((await self._database.find(changes.SEQUENCE))[0])

    async def epochs(self) -> list[Epoch]:
        """Return the epochs of the store, in order; the last one is the current one."""
        return await self._database.read(epochs.read_epochs)

    async def begin_epoch(self, reason: GapReason) -> Epoch:
        """Begin a new epoch, after changes were lost that the store does not know of."""
        return await self._database.write(
            lambda connection: epochs.begin_epoch(connection, reason, self._clock())
        )

    async def changes(
        self, after: int, *, limit: int = 500, include_documents: bool = True
    ) -> ChangePage:
        """Return changes after a sequence number, in order; fewer if they are large."""
        return await self._database.read(
            changes.changes, after, limit, include_documents=include_documents
        )

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be a change after a sequence number, or after a timeout."""
        await self._database.wait(after, timeout)

    async def last_change_before(self, time: Microseconds) -> int:
        """Return the last sequence number up to which all changes were made before a time."""
        return await self._database.read_heavily(changes.last_change_before, time)

    async def compact(self, through: int, actor: Actor = SERVER) -> int:
        """Remove revisions that are not the latest, up to a sequence number.

        The compaction has one entry in the audit log, which each step updates. One by the server
        itself has none if it removes nothing.

        Args:
            through: The sequence number.
            actor: Who compacts.

        Returns:
            The sequence number up to which the history is removed, now or earlier.
        """
        begun = time.perf_counter()
        progress = changes.CompactionProgress(actor is not SERVER)
        entry = AuditEntry(
            AuditAction.COMPACTED, actor, self._clock(), details={"through_sequence": str(through)}
        )
        while not progress.is_done:
            progress = await self._database.write(
                partial(
                    changes.compact_audited,
                    progress=progress,
                    through=through,
                    most=COMPACTION_STEP,
                    entry=entry,
                )
            )
        self.statistics.compactions += 1
        self.statistics.compaction_seconds += time.perf_counter() - begun
        return await self._database.read(changes.counter, "compacted")

    async def purge(self, type_: str, id_: str, actor: Actor, *, count_only: bool = False) -> Purge:
        """Remove all of a deleted document but the entries of the audit log about it.

        Args:
            type_: The type of the document.
            id_: Its id.
            actor: Who purges.
            count_only: Whether to remove nothing.

        Raises:
            DocumentNotFoundError: The store has nothing of the document.
            NotDeletedError: The document is not deleted.
        """
        if count_only:
            revisions = await self._database.read(purges.count, type_, id_)
            return Purge(revisions, pending=False)
        try:
            purging = self._noted(
                lambda connection: purges.purge(connection, type_, id_, actor, self._clock())
            )
            revisions = await self._database.write(purging)
            self.forget_cached()
            return Purge(revisions, pending=not await self._database.scrub(purges.TABLES))
        except asyncio.CancelledError:
            # The purge may take place nevertheless, and cannot be repeated.
            self._database.scrub_later(purges.TABLES)
            raise

    def forget_cached(self) -> None:
        """Forget the documents in memory: one of them was purged, by this server or another."""
        self._cache.clear()

    async def audit(
        self,
        action: AuditAction,
        actor: Actor,
        *,
        id_: str | None = None,
        counts: Mapping[str, int] | None = None,
        details: Mapping[str, str] | None = None,
    ) -> int:
        """Add an entry about an action that changes nothing else to the audit log.

        Changes of the store write theirs in their own transactions, with the functions of
        `statements.audit`.

        Returns:
            The number of the entry, for `complete_audit`.
        """
        entry = AuditEntry(
            action, actor, self._clock(), id=id_, counts=counts or {}, details=details or {}
        )
        return await self._database.write(partial(audit.write, entry=entry))

    async def complete_audit(
        self, number: int, counts: Mapping[str, int], details: Mapping[str, str]
    ) -> None:
        """Replace the counts of an entry of `audit`, and add details, when the action has ended."""
        await self._database.write(
            partial(audit.complete, number=number, counts=counts, details=details)
        )

    async def list_audit(self, query: AuditQuery) -> AuditPage:
        """Return a page of the audit log, newest first; it may be short and not be the last."""
        return await self._database.read(audit.entries, query)

    async def forget_audit(self, before: Microseconds) -> None:
        """Remove the entries of the audit log from before a time."""
        await self._database.write(partial(audit.remove_before, time=before))

    async def forget_requests(self, before: Microseconds) -> None:
        """Remove the ids of requests that were made before a time."""
        await self._database.write(partial(requests.remove_before, time=before))

    async def trace(self, query: LineageQuery) -> LineageGraph:
        """Trace the lineage of a document.

        Raises:
            DocumentNotFoundError: The start does not exist, and no document refers to it.
        """
        return await self._database.read_heavily(lineage.trace, query)

    async def ingest(
        self, events: Sequence[EventRow], *, configs_version: int | None = None
    ) -> list[int]:
        """Store events, and return the indices of duplicates.

        Args:
            events: The events.
            configs_version: The version of the configurations of feedback that were applied to the
                events; ``None`` to not check it.

        Raises:
            FeedbackConfigsChangedError: The store has other configurations; nothing was stored.
        """
        now, numbers = self._clock(), self._event_names
        weight = 1 + len(events) // EVENTS_PER_WEIGHT
        prepared: feedback.PreparedEvents | None = None
        # The number of a name may be unknown.
        with suppress(KeyError):
            prepared = feedback.PreparedEvents.of(events, now, numbers)
        if prepared is not None:
            work = partial(feedback.ingest, prepared=prepared, configs_version=configs_version)
            return self._counted(events, await self._database.write(work, weight))
        naming = partial(
            feedback.ingest_with_names,
            events=events,
            now=now,
            numbers=dict(numbers),
            configs_version=configs_version,
        )
        duplicates, added = await self._database.write(naming, weight)
        if len(numbers) >= MAX_EVENT_NAMES:
            self._event_names = dict(NO_EVENT_NAMES)
        self._event_names.update(added)
        return self._counted(events, duplicates)

    def _counted(self, events: Sequence[EventRow], duplicates: list[int]) -> list[int]:
        self.statistics.events_stored += len(events) - len(duplicates)
        self.statistics.events_repeated += len(duplicates)
        return duplicates

    async def set_feedback_config(
        self, deployment_id: str | None, config: bytes | None, actor: Actor = SERVER
    ) -> bool:
        """Set the configuration of feedback on a deployment; return whether that changed it.

        Args:
            deployment_id: The deployment; ``None`` for all that have no configuration of their own.
            config: The serialized configuration; ``None`` to remove it.
            actor: Who sets it.
        """
        return await self._database.write(
            lambda connection: feedback_configs.put(
                connection, deployment_id, config, self._clock(), actor
            )
        )

    async def feedback_configs(self) -> FeedbackConfigRows:
        """Return all configurations of feedback."""
        return await self._database.read(feedback_configs.every)

    async def list_feedback_configs(
        self, *, after: str | None = None, limit: int = 100
    ) -> tuple[list[FeedbackConfigRow], str | None]:
        """Return a page of the configurations of feedback, and the key of its end if more follow.

        The one for all deployments is the first, with an empty key.
        """
        return await self._database.read(feedback_configs.page, after, limit)

    async def latest_time(self) -> Microseconds | None:
        """Return the time of the latest change or event that is not in the future, if any."""
        return await self._database.read(feedback_removal.latest_time, self._clock())

    async def events_before(
        self, time: Microseconds, *, after: tuple[Microseconds, int] | None, limit: int
    ) -> list[EventTime]:
        """Return events from before a time, in the order of their times and positions.

        Args:
            time: The time.
            after: The time and position after which to continue; ``None`` for the first.
            limit: The most events.
        """
        return await self._database.read(feedback_removal.events_before, time, after, limit)

    async def delete_events(self, positions: Sequence[int]) -> int:
        """Delete events by their positions, also from the roll-ups; return how many there were."""
        work = partial(roll_ups.delete_events, positions=positions)
        return await self._database.write(work, 1 + len(positions) // EVENTS_PER_WEIGHT)

    async def erase_events(
        self,
        selection: EventSelection,
        *,
        after: int = 0,
        actor: Actor,
        count_only: bool = False,
        seconds: float = ERASE_SECONDS,
    ) -> Erasure:
        """Erase the feedback events of a selection, or some of them.

        Other writers run between the pieces. What is erased has one entry in the audit log.

        Args:
            selection: The events.
            after: The position after which to continue.
            actor: Who erases.
            count_only: Whether to erase nothing.
            seconds: After this time no further piece begins.
        """
        begun = time.monotonic()
        by = [field.name for field in fields(selection) if getattr(selection, field.name)]
        entry = AuditEntry(AuditAction.ERASED, actor, self._clock(), details={"by": ", ".join(by)})
        through = await self.last_event()
        count, number = 0, 0
        reached = after
        while reached < through and time.monotonic() - begun < seconds:
            found = await self._database.read_heavily(
                erasure.find, selection, reached, through, ERASE_EXAMINED
            )
            positions, reached = found.positions, found.reached
            if count_only:
                count += len(positions)
                continue
            for start in range(0, len(positions), ERASE_DELETED):
                part = positions[start : start + ERASE_DELETED]
                erasing = partial(
                    erasure.erase, positions=part, entry=entry, number=number, erased=count
                )
                weight = 1 + len(part) // EVENTS_PER_WEIGHT
                count, number = await self._database.write(self._noted(erasing), weight)
        if reached < through:
            return Erasure(count, reached, pending=False)
        if count_only:
            return Erasure(count, None, pending=False)
        if not number:
            erasing = partial(erasure.erase, positions=(), entry=entry, number=0, erased=0)
            await self._database.write(erasing)
        if after:
            # An earlier call for this erasure, perhaps to another server, may have deleted events.
            self._database.note_deletion()
        return Erasure(count, None, pending=not await self._database.scrub(erasure.TABLES))

    def _noted(self, delete: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """Return work that deletes rows, and notes that."""

        def work(connection: Connection) -> T:
            deleted = delete(connection)
            self._database.note_deletion()
            return deleted

        return work

    async def last_event(self) -> int:
        """Return the position of the latest event; 0 if there is none."""
        return (await self._database.find(feedback.LAST_EVENT))[0] or 0

    async def export(self, query: EventQuery, *, after: int, through: int, limit: int) -> EventPage:
        """Return events between two positions, the first excluded, in the order of arrival.

        There may be fewer than the limit, or none, before the last position: few events satisfy the
        query, or they are large.
        """
        return await self._database.read_heavily(feedback.export, query, after, through, limit)

    async def summarize(
        self, query: SummaryQuery, limits: SummaryLimits = DEFAULT_SUMMARY_LIMITS
    ) -> list[EventTally]:
        """Count the events that no other event supersedes, in groups in any order.

        Raises:
            ResultTooLargeError: The query exceeds a limit.
            SummariesBehindError: More events arrived after the latest roll-up than the limit.
        """
        return await self._database.read_heavily(summarizing.summarize, query, limits)

    async def roll_up(self) -> bool | None:
        """Add the next events to the roll-ups, from which summaries are computed.

        Returns:
            Whether this took place; ``False`` if another server did the same meanwhile, and
            ``None`` if there are no more events.
        """
        prepared = await self._database.read(roll_ups.prepare)
        if prepared is None:
            return None
        return await self._database.write(partial(roll_ups.apply, roll_up=prepared))

    async def check(self) -> None:
        """Check that the database answers, apart from other work.

        Raises:
            StoreFailure: It cannot be used.
        """
        await self._database.check()

    @property
    def statistics(self) -> Statistics:
        """What was done since the store was opened."""
        return self._database.statistics

    @property
    def writes_waiting(self) -> int:
        """How many writes wait for a transaction; another thread may ask."""
        return self._database.writes_waiting

    @property
    def latest(self) -> int:
        """The sequence number of the latest change that this process knows of; 0 at the start."""
        return self._database.notifier.latest

    async def measure(self) -> Measurements:
        """Measure the store, apart from other work.

        Raises:
            StoreFailure: The database failed.
        """
        return await self._database.measure()

    async def close(self) -> None:
        """Finish the work in progress and disconnect from the database."""
        await self._prefixes.close()
        await self._database.close()
