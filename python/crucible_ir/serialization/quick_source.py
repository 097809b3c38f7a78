"""The source of a quick function for one message type, with the messages inside it or without."""

from __future__ import annotations

import keyword
from functools import cache
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.serialization import quick_values
from crucible_ir.serialization.function_source import FunctionSource

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

#: Up to how many lines the messages inside a message are handled by its own function.
MAX_INLINE_LINES = 500

#: The messages that every form writes in a way of their own, and that hold none but themselves.
OPAQUE = frozenset(
    f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue", "Timestamp")
)


def inlines(source: FunctionSource, message: Descriptor) -> bool:
    """Tell whether a message inside a message is handled by the same function."""
    return (
        len(source.lines) < MAX_INLINE_LINES
        and not message.full_name.startswith("google.protobuf.")
        and not message.is_extendable
        and not can_hold(message, message)
    )


class MessageSource(FunctionSource):
    """The source of a function for one message type."""

    def __init__(self, message: Descriptor) -> None:
        super().__init__()
        self.message = message

    def is_under_way(self, message: Descriptor) -> bool:
        """Tell whether a type's own function cannot be made before this one is."""
        return message.full_name == self.message.full_name or can_hold(message, self.message)

    def add_struct(self, depth: int, source: str, made: str) -> None:
        """Add the lines that write a Struct, the expression ``source``, to a new dict ``made``.

        They do what `quick_values.write_struct` does, less the call.
        """
        finite = self.refer("finite", quick_values.finite)
        least, most = (self.refer("exact", bound) for bound in quick_values.EXACT_INTEGERS)
        whole = f"x.is_integer() and {least} <= x <= {most}"
        write_other = self.refer("write_other", quick_values.write_other)
        self.add(depth, f"f = {source}.fields")
        self.add(depth, f"{made} = {{}}")
        self.add(depth, "for k in f:")
        self.add(depth + 1, "w = f[k]")
        self.add(depth + 1, "if x := w.number_value:")
        self.add(depth + 2, f"{made}[k] = int(x) if {whole} else {finite}(x)")
        self.add(depth + 1, f"else: {made}[k] = w.string_value or {write_other}(w, n)")


@cache
def held_by(message: Descriptor) -> dict[str, Descriptor]:
    """Return the message types that a message can hold, at any depth, by name."""
    found: dict[str, Descriptor] = {}
    queue = [message]
    while queue:
        for field in queue.pop().fields:
            held = field.message_type
            if held is None or held.full_name in found or held.full_name in OPAQUE:
                continue
            found[held.full_name] = held
            queue.append(held)
    return found


def can_hold(message: Descriptor, other: Descriptor) -> bool:
    """Tell whether a message can hold one of another type, at any depth."""
    return other.full_name in held_by(message)


def is_ordinary(field: FieldDescriptor) -> bool:
    """Tell whether a field can be handled by a quick function."""
    return (
        field.name.isidentifier()
        and not keyword.iskeyword(field.name)
        and field.type != FieldDescriptor.TYPE_GROUP
    )
