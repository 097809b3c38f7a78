"""The codecs of the Connect protocol: how messages are written in requests and responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.serialization.json.crucible import from_crucible_json, to_crucible_json
from crucible_ir.serialization.json.enum_names import SHORT_NAMES_ADVICE
from crucible_ir.serialization.json.protojson import from_json, to_json

if TYPE_CHECKING:
    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to write messages.

    Attributes:
        name: The name, as in ``application/NAME`` and ``application/connect+NAME``.
        read: Reads a message of a class; it raises `crucible_ir.DecodeError`. ``None`` for
            protobuf's binary format, which is not read here.
        write: Writes a message.
    """

    name: str
    read: Callable[[bytes, type[Message]], Message] | None
    write: Callable[[Message], bytes]

    @property
    def is_binary(self) -> bool:
        """Whether this is protobuf's binary format."""
        return self.read is None


def _read_json(data: bytes, type_: type[Message]) -> Message:
    # The request validation of the exchange checks the rules.
    return from_json(data, type_, validate=False)


def _read_crucible_json(data: bytes, type_: type[Message]) -> Message:
    return from_crucible_json(data, type_, validate=False)


def for_callers(reason: str) -> str:
    """Return the reason of an error with advice for callers of HTTP, and not of Python."""
    advice = "; short names are read with Content-Type: application/crucible-json"
    return reason.replace(SHORT_NAMES_ADVICE, advice)


#: Strict ProtoJSON: unknown and duplicate keys are errors.
JSON: Final = Codec("json", _read_json, lambda message: to_json(message).encode())

#: The dialect of the Elixir services.
CRUCIBLE_JSON: Final = Codec(
    "crucible-json", _read_crucible_json, lambda message: to_crucible_json(message).encode()
)

#: Protobuf's binary format.
PROTO: Final = Codec("proto", None, lambda message: message.SerializeToString())

#: The codecs by their names.
CODECS: Final[Mapping[str, Codec]] = {codec.name: codec for codec in (JSON, PROTO, CRUCIBLE_JSON)}
