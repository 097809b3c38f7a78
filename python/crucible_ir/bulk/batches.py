"""Arrow record batches of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.message_columns import built, columns_of
from crucible_ir.bulk.schemas import one_batch, raw_field
from crucible_ir.bulk.violations import RecordError, UnknownFieldsError
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import has_unknown_fields
from crucible_ir.serialization.binary import to_binary
from crucible_ir.serialization.conversion_error import ConversionError

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The most messages that become rows at once: more of them do not fit into the caches of a
#: processor, which takes a fifth longer.
_AT_ONCE: Final = 512


def raw_bytes(_: int, message: Message) -> bytes:
    """Return the bytes of a message for the column ``raw``, whatever its index."""
    return to_binary(message)


def without_unknown_fields(message: Message) -> Message | RecordError:
    """Return a message, or an error if it has unknown fields."""
    return UnknownFieldsError(message) if has_unknown_fields(message) else message


def rows(
    class_: Any,
    found: Iterable[Message | RecordError],
    raw: Callable[[int, Message], bytes] | None,
) -> tuple[Any, dict[int, RecordError]]:
    """Return messages as rows.

    Args:
        class_: The class of the messages.
        found: The messages, and errors in place of messages. Without a column ``raw``, their
            unknown fields are lost: see `without_unknown_fields`.
        raw: Returns the bytes of a message for the column ``raw``, given its index too; ``None``
            for no such column.

    Returns:
        A `pyarrow.RecordBatch` with the columns that the messages need, and all errors by their
        indexes, in order. Messages that Arrow cannot represent are errors too.
    """
    errors: dict[int, RecordError] = {}
    waiting = enumerate(found)
    batches = [_batch(class_, list(islice(waiting, _AT_ONCE)), raw, errors)]
    while part := list(islice(waiting, _AT_ONCE)):
        batches.append(_batch(class_, part, raw, errors))
    return one_batch(batches), dict(sorted(errors.items()))


def _batch(
    class_: Any,
    found: list[tuple[int, Message | RecordError]],
    raw: Callable[[int, Message], bytes] | None,
    errors: dict[int, RecordError],
) -> Any:
    """Return messages as a record batch, and add the errors."""
    messages: dict[int, Message] = {}
    for index, each in found:
        if isinstance(each, Exception):
            errors[index] = each
        else:
            messages[index] = each
    try:
        return _record_batch(class_, messages, raw)
    except ConversionError:
        _add_errors(class_, list(messages.items()), errors)
    good = {index: message for index, message in messages.items() if index not in errors}
    return _record_batch(class_, good, raw)


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
