"""Summarizes feedback events: from roll-ups, the events after them, and a bounded number of others.

Whole hours come from the roll-ups. Hours that a time range has only a part of, shorter buckets, and
scopes of ids need the events themselves, which an index finds by their time or id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from crucible_ir.exchange.store.errors import ResultTooLargeError, SummariesBehindError
from crucible_ir.exchange.store.records import (
    EventTally,
    Grouping,
    Microseconds,
    SummaryLimits,
    SummaryQuery,
)
from crucible_ir.exchange.store.statements import names
from crucible_ir.exchange.store.statements.rows import within
from crucible_ir.exchange.store.statements.tables import feedback_events, feedback_roll_ups
from crucible_ir.exchange.store.summaries.counting import (
    COUNTED_COLUMNS,
    HOUR,
    Counter,
    Key,
    count_between,
    is_superseded,
    streamed,
)
from crucible_ir.exchange.store.summaries.roll_ups import HOURS_OF_DAY, state_of
from crucible_ir.exchange.tally import Tally

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

#: A range of times or hours without its end; ``None`` is no bound.
Range = tuple[int | None, int | None]

_events = feedback_events.c
_roll_ups = feedback_roll_ups.c


class _Group(NamedTuple):
    """A bucket, numbers of names, and a criterion; ``None`` if the query does not group by it."""

    bucket: Microseconds | None
    type: int
    deployment: int | None
    version: int | None
    name: bytes | int | None


def summarize(
    connection: Connection, query: SummaryQuery, limits: SummaryLimits
) -> list[EventTally]:
    """Summarize events that none supersedes, as described in `Store.summarize`."""
    return _Summary(connection, query, limits).run()


class _Summary:
    """A summary in progress: its groups."""

    def __init__(self, connection: Connection, query: SummaryQuery, limits: SummaryLimits) -> None:
        self._connection = connection
        self._query = query
        self._limits = limits
        self._groups: dict[_Group, Tally] = {}

    def run(self) -> list[EventTally]:
        events, bucket = self._query.events, self._query.bucket
        if events.scope.types is not None and "FeedbackEvent" not in events.scope.types:
            return []
        chosen = self._chosen_names()
        if chosen is None:
            return []
        whole, parts = _hours_and_rest(events.start_time, events.end_time)
        if events.scope.id_prefixes is not None or (bucket is not None and bucket % HOUR):
            whole, parts = None, [(events.start_time, events.end_time)]
        if whole is not None:
            self._add_roll_ups(whole, chosen)
            self._add_events_after_roll_ups(whole, chosen)
        for part in parts:
            self._add_events(part, chosen)
        return self._results()

    def _chosen_names(self) -> dict[str, list[int]] | None:
        """Return the numbers of the chosen names by column; ``None`` if no event can match."""
        events = self._query.events
        chosen = {}
        for column, wanted in (
            ("deployment", () if events.deployment_id is None else (events.deployment_id,)),
            ("version", () if events.model_version is None else (events.model_version,)),
            ("type", events.feedback_types),
        ):
            if wanted:
                encoded = [name.encode() for name in wanted]
                chosen[column] = list(names.numbers_of(self._connection, encoded).values())
                if not chosen[column]:
                    return None
        return chosen

    def _add_roll_ups(self, hours: Range, chosen: Mapping[str, list[int]]) -> None:
        bucket = self._query.bucket
        by_days = bucket is None or bucket % (HOURS_OF_DAY * HOUR) == 0
        for span, (start, end) in _spans(hours, by_days=by_days):
            statement = select(
                _roll_ups.start,
                _roll_ups.deployment,
                _roll_ups.version,
                _roll_ups.type,
                _roll_ups.name,
                _roll_ups.tally,
            ).where(_roll_ups.span == span, *_in_range(_roll_ups.start, (start, end)))
            for column, numbers in chosen.items():
                statement = statement.where(_roll_ups[column].in_(numbers))
            rows = streamed(self._connection, statement)
            for number, deployment, version, type_, name, content in rows:
                time, tally = number * span * HOUR, Tally.decode(bytes(content))
                self._add(time, deployment, version, type_, name, tally)

    def _add_events_after_roll_ups(self, hours: Range, chosen: Mapping[str, list[int]]) -> None:
        rolled = state_of(self._connection).rolled
        later = select(_events.position).where(_events.position > rolled)
        if self._count(later, self._limits.tail) > self._limits.tail:
            raise SummariesBehindError(
                "the events that arrived last are still being counted; try again later"
            )
        last = self._connection.execute(select(func.max(_events.position))).scalar() or 0
        for key, tally in count_between(self._connection, rolled, last).tallies.items():
            first, end = hours
            if (first is None or key.period >= first) and (end is None or key.period < end):
                self._add_counted(key, tally, chosen, key.period * HOUR)

    def _add_events(self, times: Range, chosen: Mapping[str, list[int]]) -> None:
        """Add the events of a time range, one by one."""
        candidates = self._candidates(times)
        statement = select(*COUNTED_COLUMNS).where(
            _events.position.in_(candidates),
            ~is_superseded(),
            within(self._query.events.scope, _events.id),
            *_in_range(_events.time, times),
            *(_events[column].in_(numbers) for column, numbers in chosen.items()),
        )
        bucket = self._query.bucket
        counter = Counter(self._connection, bucket)
        for row in streamed(self._connection, statement):
            counter.count(row)
        for key, tally in counter.tallies.items():
            self._add_counted(key, tally, {}, key.period * (bucket or 0))

    def _candidates(self, times: Range) -> Any:
        """Select the positions of a bounded number of events that include those in a time range."""
        limit = self._limits.events
        prefixes = self._query.events.scope.id_prefixes
        ways: list[list[ColumnElement[bool]]] = []
        if prefixes is not None:
            ways.append([within(self._query.events.scope, _events.id)])
        if prefixes is None or times != (None, None):
            ways.append(_in_range(_events.time, times))
        for conditions in ways:
            found = select(_events.position).where(*conditions)
            if self._count(found, limit) <= limit:
                return found.limit(limit)
        raise ResultTooLargeError(
            f"more than {limit} events would be read one by one, which parts of hours, buckets that"
            " are not whole hours, and callers with prefixes of ids require; choose whole hours, or"
            " a shorter time"
        )

    def _count(self, statement: Any, limit: int) -> int:
        """Return the number of rows, or one more than a limit if there are more."""
        some = statement.limit(limit + 1).subquery()
        return int(self._connection.execute(select(func.count()).select_from(some)).scalar_one())

    def _add_counted(
        self, key: Key, tally: Tally, chosen: Mapping[str, list[int]], time: Microseconds
    ) -> None:
        """Add counted events, unless other names are chosen."""
        if all(getattr(key, column) in numbers for column, numbers in chosen.items()):
            self._add(time, key.deployment, key.version, key.type, key.name, tally)

    def _add(
        self,
        time: Microseconds,
        deployment: int,
        version: int,
        type_: int,
        name: bytes | int,
        tally: Tally,
    ) -> None:
        bucket, by = self._query.bucket, self._query.group_by
        group = _Group(
            None if bucket is None else time // bucket * bucket,
            type_,
            deployment if Grouping.DEPLOYMENT in by else None,
            version if Grouping.MODEL_VERSION in by else None,
            name if Grouping.NAME in by else None,
        )
        found = self._groups.get(group)
        if found is not None:
            found.merge(tally)
            return
        self._groups[group] = tally
        if len(self._groups) > self._limits.summaries:
            raise self._too_many_summaries()

    def _too_many_summaries(self) -> ResultTooLargeError:
        return ResultTooLargeError(
            f"there are more than {self._limits.summaries} summaries; choose longer buckets, fewer"
            " groups or a shorter time"
        )

    def _results(self) -> list[EventTally]:
        numbers = {
            number
            for group in self._groups
            for number in group[1:]
            if isinstance(number, int) and number != names.NO_NAME
        }
        texts: dict[Any, str | None] = {None: None, b"": None, names.NO_NAME: None}
        texts.update(names.names_of(self._connection, numbers))
        merged: dict[tuple[Microseconds | None, tuple[str | None, ...]], Tally] = {}
        for group, tally in self._groups.items():
            named = tuple(
                part.decode() if isinstance(part, bytes) and part else texts[part]
                for part in group[1:]
            )
            # A criterion is a number in roll-ups, and a text in single events.
            found = merged.setdefault((group.bucket, named), tally)
            if found is not tally:
                found.merge(tally)
        results = []
        for (start, (type_, deployment, version, name)), tally in merged.items():
            tally.settle()
            if tally.events:
                results.append(EventTally(start, type_, deployment, version, name, tally))
        return results


def _hours_and_rest(
    start: Microseconds | None, end: Microseconds | None
) -> tuple[Range | None, list[Range]]:
    """Divide a time range into whole hours and the parts of hours before and after them.

    >>> _hours_and_rest(HOUR - 1, 3 * HOUR + 2)
    ((1, 3), [(3599999999, 3600000000), (10800000000, 10800000002)])
    >>> _hours_and_rest(5, 7)
    (None, [(5, 7)])
    """
    first = None if start is None else -(-start // HOUR)
    after = None if end is None else end // HOUR
    if first is not None and after is not None and first >= after:
        return None, [(start, end)]
    rest: list[Range] = []
    if start is not None and first is not None and start < first * HOUR:
        rest.append((start, first * HOUR))
    if end is not None and after is not None and end > after * HOUR:
        rest.append((after * HOUR, end))
    return (first, after), rest


def _spans(hours: Range, *, by_days: bool) -> Iterator[tuple[int, Range]]:
    """Yield ranges of days and hours that together cover a range of hours.

    >>> list(_spans((23, 50), by_days=True))
    [(24, (1, 2)), (1, (23, 24)), (1, (48, 50))]
    """
    first, end = hours
    if not by_days:
        yield 1, hours
        return
    first_day = None if first is None else -(-first // HOURS_OF_DAY)
    last_day = None if end is None else end // HOURS_OF_DAY
    if first_day is not None and last_day is not None and first_day >= last_day:
        yield 1, hours
        return
    yield HOURS_OF_DAY, (first_day, last_day)
    if first is not None and first_day is not None and first < first_day * HOURS_OF_DAY:
        yield 1, (first, first_day * HOURS_OF_DAY)
    if end is not None and last_day is not None and last_day * HOURS_OF_DAY < end:
        yield 1, (last_day * HOURS_OF_DAY, end)


def _in_range(column: ColumnElement[int], bounds: Range) -> list[ColumnElement[bool]]:
    start, end = bounds
    conditions = [] if start is None else [column >= start]
    return conditions if end is None else [*conditions, column < end]
