"""Frames: messages between harness and executor, each preceded by its size as a varint."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from crucible_ir.errors import Error
from crucible_ir.serialization.wire import encode_varint

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The maximum size of a message: 64 MiB, as for a record of a stream.
MAX_FRAME_BYTES = 64 * 1024 * 1024

#: The maximum length of the varint of a size.
_MAX_SIZE_BYTES = 5


class FrameError(Error, ValueError):
    """The bytes are not valid frames."""


def frame(message: Message) -> bytes:
    """Return a message as a frame.

    >>> from crucible_ir.conformance import v1
    >>> frame(v1.Request(describe={})).hex()
    '020a00'
    """
    body = message.SerializeToString()
    return encode_varint(len(body)) + body


class FrameBuffer:
    r"""Buffers incoming bytes and returns the frames in them.

    >>> buffer = FrameBuffer()
    >>> buffer.feed(bytes.fromhex("020a"))
    >>> buffer.take() is None
    True
    >>> buffer.feed(bytes.fromhex("00"))
    >>> buffer.take()
    b'\n\x00'
    """

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._bytes += data

    def take(self) -> bytes | None:
        """Remove the first frame and return its content; ``None`` while it is incomplete.

        Raises:
            FrameError: The buffer does not start with a size of at most `MAX_FRAME_BYTES`.
        """
        size, start = self._size()
        if start == 0 or len(self._bytes) < start + size:
            return None
        body = bytes(self._bytes[start : start + size])
        del self._bytes[: start + size]
        return body

    def peek(self, count: int) -> bytes:
        """Return the first bytes of the buffer without removing them."""
        return bytes(self._bytes[:count])

    def _size(self) -> tuple[int, int]:
        """Return the size of the first frame and the offset of its content; (0, 0) if unknown."""
        size = 0
        for at, byte in enumerate(self._bytes[:_MAX_SIZE_BYTES]):
            size |= (byte & 0x7F) << (7 * at)
            if byte < 0x80:
                if size > MAX_FRAME_BYTES:
                    raise FrameError(
                        f"a message of {size:,} bytes exceeds the limit of {MAX_FRAME_BYTES:,}"
                    )
                return size, at + 1
        if len(self._bytes) >= _MAX_SIZE_BYTES:
            raise FrameError("expected the size of a message")
        return 0, 0


def read_frame(source: BinaryIO) -> bytes | None:
    """Read the content of one frame from a blocking stream; ``None`` at its end.

    Raises:
        FrameError: The stream ends inside a frame, or contains something else.
    """
    buffer = FrameBuffer()
    body = None
    while body is None:
        byte = source.read(1)
        if not byte:
            if len(buffer):
                raise FrameError("the input ends inside a message")
            return None
        buffer.feed(byte)
        body = buffer.take()
        size, start = buffer._size()
        if body is None and start:
            buffer.feed(source.read(size))
            body = buffer.take()
            if body is None:
                raise FrameError("the input ends inside a message")
    return body
