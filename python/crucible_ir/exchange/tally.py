"""Counts of feedback events, from which summaries are computed.

All numbers are integers, so that tallies can be merged in any order, and that to subtract an event
leaves exactly what there would be without it.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self, TypeVar

from crucible_ir import v1
from crucible_ir.building.thumbs import thumb_of
from crucible_ir.schema import vocabulary

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Value

KeyT = TypeVar("KeyT", int, str)

_TYPE_NAMES: Final = vocabulary.names(v1.FeedbackType.DESCRIPTOR)
THUMBS: Final = _TYPE_NAMES[v1.FeedbackType.FEEDBACK_TYPE_THUMBS]
CORRECTION: Final = _TYPE_NAMES[v1.FeedbackType.FEEDBACK_TYPE_CORRECTION]

#: Latencies below this have buckets of their own. Above, 1,024 buckets divide the numbers between a
#: power of two and the next.
EXACT_LATENCIES: Final = 2048
_DIVISIONS: Final = 1024
_DIVISION_BITS: Final = 11

#: The fraction bits of numbers in sums, and the magnitude below which numbers are counted.
_FRACTION: Final = 2**40
_NUMBER_LIMIT: Final = 2.0**53

#: The longest label in bytes of UTF-8, and the most labels or numbers that a stored tally counts
#: one by one. The others are counted together.
LABEL_BYTES: Final = 128
MAX_COUNTS: Final = 200


def latency_bucket(latency: int) -> int:
    """Return the bucket of a latency in milliseconds.

    >>> [latency_bucket(latency) for latency in (0, 2047, 2048, 2049, 2050, 2**31 - 1)]
    [0, 2047, 2048, 2048, 2049, 22527]
    """
    if latency < EXACT_LATENCIES:
        return latency
    shift = latency.bit_length() - _DIVISION_BITS
    return shift * _DIVISIONS + (latency >> shift)


def bucket_latency(bucket: int) -> int:
    """Return the latency in the middle of a bucket, which is within 0.05 % of all others in it.

    >>> [bucket_latency(latency_bucket(latency)) for latency in (0, 2047, 4098, 1_000_000)]
    [0, 2047, 4098, 1000192]
    """
    if bucket < EXACT_LATENCIES:
        return bucket
    shift = bucket // _DIVISIONS - 1
    return ((bucket - shift * _DIVISIONS) << shift) + (1 << shift >> 1)


@dataclass(slots=True)
class Tally:
    """The counts of some feedback events; those of a difference may be negative.

    Attributes:
        events: The number of events.
        latencies: The number of events in each latency bucket.
        latency_sum: The sum of the latencies, in milliseconds.
        up: The number of thumbs up.
        down: The number of thumbs down.
        numbers: The number of values that are numbers.
        number_sum: Their sum, as `numbers` in units of 2^-40.
        square_sum: The sum of their squares, in units of 2^-80.
        number_counts: Their number by value, which is a text with two significant digits.
        other_numbers: The number of values that `number_counts` does not count.
        labels: The number of values that are labels, by label.
        other_labels: The number of labels that `labels` does not count.
    """

    events: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    latency_sum: int = 0
    up: int = 0
    down: int = 0
    numbers: int = 0
    number_sum: int = 0
    square_sum: int = 0
    number_counts: dict[str, int] = field(default_factory=dict)
    other_numbers: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    other_labels: int = 0

    def count(
        self, latency: int | None, event: v1.FeedbackEvent | None, type_: str | None, sign: int = 1
    ) -> None:
        """Count an event, or with the sign -1 subtract it.

        Args:
            latency: The latency in milliseconds.
            event: The event, whose value is counted.
            type_: Its type.
            sign: 1 or -1.
        """
        self.events += sign
        if latency is not None:
            bucket = latency_bucket(latency)
            self.latencies[bucket] = self.latencies.get(bucket, 0) + sign
            self.latency_sum += sign * latency
        if event is not None and event.HasField("feedback_value"):
            self.count_value(event.feedback_value, type_, sign)

    def count_value(self, value: Value, type_: str | None, number: int) -> None:
        """Count the value of a number of events.

        Args:
            value: The value.
            type_: The type of the events.
            number: How many events have the value; negative to subtract them.

        >>> from google.protobuf.struct_pb2 import Value
        >>> tally = Tally()
        >>> tally.count_value(Value(string_value="rude"), "label", 3)
        >>> tally.labels
        {'rude': 3}
        """
        kind = value.WhichOneof("kind")
        if type_ is None or type_ == THUMBS:
            thumb = thumb_of(value)
            if thumb > 0:
                self.up += number
            elif thumb < 0:
                self.down += number
            if thumb:
                return
        if kind == "number_value":
            self._count_number(value.number_value, number)
        elif kind == "string_value" and type_ != CORRECTION:
            self._count_label(value.string_value, number)
        elif kind == "bool_value":
            self._count_label("true" if value.bool_value else "false", number)

    def _count_number(self, value: float, number: int) -> None:
        # False for NaN.
        if not abs(value) < _NUMBER_LIMIT:
            return
        units, square, text = _number_terms(value)
        self.numbers += number
        self.number_sum += number * units
        self.square_sum += number * square
        self.number_counts[text] = self.number_counts.get(text, 0) + number

    def _count_label(self, label: str, number: int) -> None:
        if len(label.encode()) > LABEL_BYTES:
            self.other_labels += number
        else:
            self.labels[label] = self.labels.get(label, 0) + number

    def merge(self, other: Tally) -> None:
        """Add the counts of another tally."""
        for name in _COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        _add(self.latencies, other.latencies)
        _add(self.number_counts, other.number_counts)
        _add(self.labels, other.labels)

    @property
    def mean(self) -> float:
        """The mean of the numbers."""
        return self.number_sum / (self.numbers * _FRACTION)

    @property
    def deviation(self) -> float:
        """The standard deviation of the numbers, as the whole population."""
        square = self.numbers * self.square_sum - self.number_sum * self.number_sum
        return float(square**0.5) / (self.numbers * _FRACTION)

    def settle(self) -> None:
        """Bound the counts, and drop those that are 0."""
        self.latencies = {key: count for key, count in self.latencies.items() if count}
        self.labels, rest = _bounded(self.labels)
        self.other_labels += rest
        self.number_counts, rest = _bounded(self.number_counts)
        self.other_numbers += rest

    def encode(self) -> bytes:
        """Return the settled tally as bytes."""
        self.settle()
        buckets = sorted(self.latencies)
        counts = [self.latencies[bucket] for bucket in buckets]
        code = _smallest_code(counts)
        small: dict[str, object] = {
            name: value for name in _COUNTERS if (value := getattr(self, name))
        }
        if self.number_counts:
            small["number_counts"] = self.number_counts
        if self.labels:
            small["labels"] = self.labels
        small["latencies"] = [len(buckets), code]
        head = json.dumps(small, separators=(",", ":")).encode()
        return b"".join(
            (
                len(head).to_bytes(4, "little"),
                head,
                _little_endian(array("H", buckets)).tobytes(),
                _little_endian(array(code, counts)).tobytes(),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the tally of bytes from `encode`."""
        start = 4 + int.from_bytes(data[:4], "little")
        small = json.loads(data[4:start])
        size, code = small.pop("latencies")
        middle = start + 2 * size
        buckets, counts = array("H"), array(code)
        buckets.frombytes(data[start:middle])
        counts.frombytes(data[middle:])
        tally = cls()
        for name, value in small.items():
            setattr(tally, name, value)
        tally.latencies = dict(zip(_little_endian(buckets), _little_endian(counts), strict=True))
        return tally


#: The attributes of a tally that are numbers.
_COUNTERS: Final = (
    "events",
    "latency_sum",
    "up",
    "down",
    "numbers",
    "number_sum",
    "square_sum",
    "other_numbers",
    "other_labels",
)


# Ratings have few values.
@lru_cache(maxsize=1024)
def _number_terms(number: float) -> tuple[int, int, str]:
    """Return what a number adds to the sums, and the text that it is counted by."""
    units = round(number * _FRACTION)
    # Without the sign of a negative zero.
    return units, units * units, f"{number + 0.0:.2g}"


def _add(counts: dict[KeyT, int], others: dict[KeyT, int]) -> None:
    """Add counts to others."""
    for key, count in others.items():
        counts[key] = counts.get(key, 0) + count


def _bounded(counts: dict[str, int]) -> tuple[dict[str, int], int]:
    """Return the counts of the shortest keys, and the sum of the other counts.

    A key that was subtracted more often than it was counted was counted among the others.
    """
    rest = sum(count for count in counts.values() if count < 0)
    kept = {key: count for key, count in counts.items() if count > 0}
    if len(kept) > MAX_COUNTS:
        ordered = sorted(kept, key=lambda key: (len(key), key))
        rest += sum(kept.pop(key) for key in ordered[MAX_COUNTS:])
    return kept, rest


def _smallest_code(counts: Iterable[int]) -> str:
    """Return the smallest type code of arrays for counts."""
    most = max(counts, default=0)
    return next(
        code for code, bits in (("B", 8), ("H", 16), ("I", 32), ("Q", 64)) if most < 1 << bits
    )


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
