"""The values of feedback that are thumbs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Value

#: The texts of thumbs.
_THUMBS: Final = {"up": 1, "thumbs_up": 1, "down": -1, "thumbs_down": -1}


def thumb_of(value: Value) -> int:
    """Return 1 for a thumb up, -1 for one down, and 0 for any other value.

    >>> from google.protobuf.struct_pb2 import Value
    >>> [thumb_of(value) for value in (Value(string_value="Up"), Value(bool_value=False), Value())]
    [1, -1, 0]
    """
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return _THUMBS.get(value.string_value.lower(), 0)
    if kind == "bool_value":
        return 1 if value.bool_value else -1
    if kind == "number_value" and not math.isnan(value.number_value):
        return 1 if value.number_value > 0 else -1
    return 0
