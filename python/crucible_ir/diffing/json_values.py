"""Messages as the plain values that differences are found in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.errors import Error
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import reject_unknown_fields
from crucible_ir.serialization.json.protojson import to_dict

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.diffing.structure import Plain


class ComparisonError(Error, ValueError):
    """Messages cannot be compared, or not in the way that was asked for."""


def json_values(*messages: Message, allow_unknown_fields: bool) -> list[Plain]:
    """Return messages of one type as ProtoJSON with the schema's own names.

    Raises:
        ComparisonError: The messages are of different types.
        EncodeError: ProtoJSON cannot write one of them, or it holds unknown fields.
    """
    names = [descriptor_of(message).full_name for message in messages]
    for name in names:
        if name != names[0]:
            raise ComparisonError(
                f"a {names[0]} cannot be compared with a {name}: the types must be the same"
            )
    if not allow_unknown_fields:
        for message in messages:
            reject_unknown_fields(message, purpose="the comparison")
    return [to_dict(message, original_names=True) for message in messages]
