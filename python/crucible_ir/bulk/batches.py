"""Arrow record batches of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.message_columns import built, columns_of
from crucible_ir.bulk.schemas import raw_field
from crucible_ir.bulk.violations import RecordError, UnknownFieldsError
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import has_unknown_fields
from crucible_ir.serialization.binary import to_binary
from crucible_ir.serialization.conversion_error import ConversionError

if TYPE_CHECKING:
    from google.protobuf.message import Message


def raw_bytes(_: int, message: Message) -> bytes:
    """Return the bytes of a message for the column ``raw``, whatever its index."""
    return to_binary(message)


def rows(
    class_: Any,
    found: Iterable[Message | RecordError],
    raw: Callable[[int, Message], bytes] | None,
) -> tuple[Any, dict[int, RecordError]]:
    """Return messages as rows.

    Args:
        class_: The class of the messages.
        found: The messages, and errors in place of messages.
        raw: Returns the bytes of a message for the column ``raw``, given its index too; ``None``
            for no such column.

    Returns:
        A `pyarrow.RecordBatch` with the columns that the messages need, and all errors by their
        indexes, in order. Messages with unknown fields that there is no column for, and those that
        Arrow cannot represent, are errors too.
    """
    messages: dict[int, Message] = {}
    errors: dict[int, RecordError] = {}
    for index, each in enumerate(found):
        if isinstance(each, Exception):
            errors[index] = each
        elif raw is None and has_unknown_fields(each):
            errors[index] = UnknownFieldsError(each)
        else:
            messages[index] = each
    try:
        return _record_batch(class_, messages, raw), errors
    except ConversionError:
        _add_errors(class_, list(messages.items()), errors)
    good = {index: message for index, message in messages.items() if index not in errors}
    return _record_batch(class_, good, raw), dict(sorted(errors.items()))


def _record_batch(
    class_: Any,
    messages: Mapping[int, Message],
    raw: Callable[[int, Message], bytes] | None,
) -> Any:
    fields, arrays = built(columns_of(descriptor_of(class_)), list(messages.values()))
    if raw is not None:
        fields.append(raw_field())
        arrays.append(pa.array([raw(*each) for each in messages.items()], pa.binary()))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _add_errors(
    class_: Any, messages: Sequence[tuple[int, Message]], errors: dict[int, RecordError]
) -> None:
    """Add the errors of messages that Arrow cannot represent; halves with no such are not split."""
    try:
        built(columns_of(descriptor_of(class_)), [message for _, message in messages])
    except ConversionError as error:
        if len(messages) == 1:
            error.reversed_parts.pop()
            errors[messages[0][0]] = error.encode_error()
            return
        half = len(messages) // 2
        _add_errors(class_, messages[:half], errors)
        _add_errors(class_, messages[half:], errors)
