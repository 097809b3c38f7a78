"""The types of the functions of the module ``crucible_ir_native``, for type checkers.

The module itself is `native/python/` in Rust. `crucible_ir.native` is its only caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

MessageT = TypeVar("MessageT")
ResultT = TypeVar("ResultT")

#: A JSON text, or its UTF-8 bytes.
Text: TypeAlias = str | bytes | bytearray | memoryview


class MessageType(Protocol[MessageT]):
    """The functions of the native engine for one message type.

    Each returns ``None``, or ``False``, where the engine is not certain. Only exact ``bytes`` and
    ``str`` are read.
    """

    def check(self, data: bytes, parsed: bool, /) -> bool:
        """Return whether a message certainly satisfies every rule of the schema.

        Args:
            data: The message.
            parsed: Whether protobuf's library has read the same bytes. If not, the answer also
                means that it can, and that other implementations can.
        """

    def decoder(
        self, parse: Callable[[bytes], MessageT], fallback: Callable[..., ResultT], /
    ) -> Callable[[bytes], MessageT | ResultT]:
        """Return a function that parses a message and calls a fallback unless it is valid.

        The fallback gets the bytes, and their message if they could be parsed.
        """

    def to_json(self, data: bytes, original_names: bool, /) -> str | None:
        """Return the ProtoJSON of a message on one line."""

    def to_crucible_json(self, data: bytes, /) -> str | None:
        """Return the Crucible JSON of a message on one line."""

    def digest(self, data: bytes, /) -> str | None:
        """Return the digest of a message without unknown fields."""

    def from_binary(self, data: bytes, /) -> MessageT | None:
        """Return a message that is certainly valid, as `check` reports of bytes not yet parsed."""

    def from_json(self, text: Text, validate: bool, /) -> MessageT | None:
        """Return the message of a ProtoJSON text; with ``validate`` it is certainly valid."""

    def from_crucible_json(self, text: Text, validate: bool, /) -> MessageT | None:
        """Return the message of a Crucible JSON text; with ``validate`` it is certainly valid."""

    def transcode(
        self, data: str | bytes, source: str, target: str, validate: bool, /
    ) -> bytes | None:
        """Return a document in another format; with ``validate`` it is certainly valid."""

    def transcoder(
        self,
        source: str,
        target: str,
        validate: bool,
        fallback: Callable[[str | bytes], bytes],
        /,
    ) -> Callable[[str | bytes], bytes] | None:
        """Return a function that does what `transcode` does, or else calls the fallback.

        It is ``None`` if the engine does not convert between these formats.
        """

    def splitter(self, list_: str, fields: tuple[str, ...], /) -> NativeSplitter | None:
        """Return a splitter of messages; ``None`` if there is no such list or field."""


class NativeSplitter(Protocol):
    """Splits messages of one type."""

    def split(self, data: bytes, /) -> tuple[bytes, list[bytes], list[list[Any]]] | None:
        """Return the parts of a `Split`."""
