"""The table of violations: what is wrong with each bad record."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from crucible_ir.bulk.contents import pa
from crucible_ir.errors import DecodeError, EncodeError, ValidationError, Violation
from crucible_ir.paths import format_path
from crucible_ir.schema.unknown_fields import unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

#: The schema of the table.
VIOLATIONS: Final = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("record", pa.int64(), nullable=False),
        pa.field("line", pa.int64()),
        pa.field("offset", pa.int64()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("rule_id", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("value", pa.string()),
    ]
)

#: The rule ids of records that break no rule of the schema.
DECODE: Final = "decode"
UNKNOWN_FIELD: Final = "table.unknown_field"
VALUE: Final = "table.value"

#: The most violations of a record.
MAX_VIOLATIONS: Final = 100

#: The most numbers of unknown fields that a violation lists.
_MAX_NUMBERS: Final = 10

#: The most characters of a path, a message and a value.
_MAX_TEXT: Final = 1000


class Place(NamedTuple):
    """Where a record is: the first columns of the table."""

    source: str | None
    record: int
    line: int | None
    offset: int | None


class UnknownFieldsError(EncodeError):
    """A message has unknown fields, which only the column ``raw`` can keep.

    Attributes:
        violations: A violation for each message inside that has some.
    """

    def __init__(self, message: Message) -> None:
        super().__init__('the message has unknown fields, which only the column "raw" can keep')
        self.violations = _unknown_fields(message)


#: The error of a record.
RecordError: TypeAlias = DecodeError | ValidationError | EncodeError


def _unknown_fields(message: Message) -> list[Violation]:
    found = []
    for path, numbers in islice(unknown_fields(message), MAX_VIOLATIONS):
        listed = ", ".join(map(str, numbers[:_MAX_NUMBERS]))
        more = ", …" if len(numbers) > _MAX_NUMBERS else ""
        plural = "s" if len(numbers) > 1 else ""
        text = f'unknown field{plural} {listed}{more}, which only the column "raw" can keep'
        found.append(Violation(format_path(path), UNKNOWN_FIELD, text))
    # An unknown field of the entry of a map is not listed.
    text = 'the entry of a map has an unknown field, which only the column "raw" can keep'
    return found or [Violation("", UNKNOWN_FIELD, text)]


def violations_batch(errors: Iterable[tuple[Place, RecordError]]) -> Any:
    """Return the violations of records as a `pyarrow.RecordBatch`."""
    rows = [(*_encodable(place), *row) for place, error in errors for row in _rows(error)]
    columns = zip(*rows, strict=True) if rows else [[] for _ in VIOLATIONS]
    arrays = [
        pa.array(column, field.type) for column, field in zip(columns, VIOLATIONS, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=VIOLATIONS)


def _rows(error: RecordError) -> Iterator[tuple[str, str, str, str | None]]:
    for found in violations_of(error)[:MAX_VIOLATIONS]:
        yield (
            _shortened(found.path),
            found.rule_id,
            _shortened(found.message),
            None if found.value is None else _shortened(_json(found.value)),
        )


def violations_of(error: RecordError) -> Sequence[Violation]:
    """Return the violations of a record, given its error."""
    if isinstance(error, ValidationError):
        return error.violations_without_positions
    if isinstance(error, DecodeError):
        return [Violation(each.path, DECODE, each.reason) for each in error.errors]
    if isinstance(error, UnknownFieldsError):
        return error.violations
    return [Violation(error.path, VALUE, error.reason)]


def _json(value: object) -> str:
    """Return the ProtoJSON of a value; an object of which there is only a text is a string."""
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()
    elif isinstance(value, float) and not math.isfinite(value):
        value = "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    elif not isinstance(value, (bool, int, float)):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)


def _shortened(text: str) -> str:
    return encodable(text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…")


def _encodable(place: Place) -> Place:
    return place if place.source is None else place._replace(source=encodable(place.source))


def encodable(text: str) -> str:
    r"""Return a text with surrogates as escapes, since Arrow has only UTF-8.

    Names of files have surrogates for the bytes that are not UTF-8.

    >>> print(encodable("a\udcff.jsonl"))
    a\udcff.jsonl
    """
    return text.encode("utf-8", "backslashreplace").decode()
