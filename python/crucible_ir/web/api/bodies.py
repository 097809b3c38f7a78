"""Bodies of requests and responses: limits on their size, compression, and enveloped messages."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

import grpc

from crucible_ir.errors import Error, shorten
from crucible_ir.exchange.server.rpc.errors import RpcError, error_info

if TYPE_CHECKING:
    from starlette.types import Receive

#: The compression that is accepted and offered, besides none.
GZIP: Final = "gzip"

IDENTITY: Final = "identity"

#: The size in bytes from which responses are compressed: smaller ones gain nothing.
COMPRESSED_FROM: Final = 1024

#: Faster than zlib's default, and nearly as small for JSON.
_LEVEL: Final = 4

#: zlib's window for data in gzip's format.
_GZIP_WINDOW: Final = 31

#: The most members of gzip data. zlib copies what follows a member, so that many small ones would
#: cost the square of their number.
_MOST_MEMBERS: Final = 100

#: The flags of an enveloped message.
COMPRESSED_FLAG: Final = 0x01
END_FLAG: Final = 0x02

#: The size of the flags and the length before an enveloped message, in bytes.
_PREFIX: Final = 5


class TooLargeError(Error):
    """A message exceeds the limit on its size.

    Attributes:
        size: Its size as far as it is known, in bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"message too large: {size} bytes")
        self.size = size


class DisconnectedError(Error):
    """The client closed the connection before the request was complete."""


def unreadable(reason: str) -> RpcError:
    """Return the error for a request that cannot be read."""
    return RpcError(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"cannot parse the request: {reason}",
        [error_info("UNREADABLE")],
    )


def unsupported_compression(name: str) -> RpcError:
    """Return the error for a compression that the server does not have."""
    return RpcError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"unknown compression {shorten(name)}: supported are {GZIP} and {IDENTITY}",
    )


def compress(data: bytes) -> bytes:
    """Return data in gzip's format."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP_WINDOW)
    return compressor.compress(data) + compressor.flush()


def decompress(data: bytes, name: str, most: int) -> bytes:
    """Return decompressed data.

    Args:
        data: The data.
        name: The name of the compression; empty for none.
        most: The most bytes of the result.

    Raises:
        TooLargeError: The result is larger; it is not decompressed further.
        RpcError: The compression is unknown, or the data is not in its format.
    """
    if name in ("", IDENTITY):
        return data
    if name != GZIP:
        raise unsupported_compression(name)
    result = bytearray()
    rest = memoryview(data)
    members = 0
    try:
        # A file of gzip may have several members.
        while rest:
            members += 1
            if members > _MOST_MEMBERS:
                raise unreadable(f"the gzip data has more than {_MOST_MEMBERS} members")
            decompressor = zlib.decompressobj(_GZIP_WINDOW)
            result += decompressor.decompress(rest, most + 1 - len(result))
            if len(result) > most:
                raise TooLargeError(len(result))
            if not decompressor.eof:
                raise unreadable("the gzip data is truncated")
            rest = rest[len(rest) - len(decompressor.unused_data) :]
    except zlib.error:
        raise unreadable("it is not gzip data") from None
    return bytes(result)


async def chunks_of(receive: Receive) -> AsyncGenerator[bytes]:
    """Yield the body of a request in pieces.

    Raises:
        DisconnectedError: The client closed the connection before the end.
    """
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        if chunk := message.get("body"):
            yield chunk
        if not message.get("more_body"):
            return


async def read_body(receive: Receive, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        TooLargeError: It has more bytes than the limit.
        DisconnectedError: The client closed the connection before the end.
    """
    body = bytearray()
    async for chunk in chunks_of(receive):
        body += chunk
        if len(body) > most:
            raise TooLargeError(len(body))
    return bytes(body)


def envelope(data: bytes, flags: int = 0, *, compressed: bool = False) -> bytes:
    r"""Return a message of a stream with its flags and length.

    >>> envelope(b"{}", END_FLAG)
    b'\x02\x00\x00\x00\x02{}'

    Args:
        data: The message.
        flags: Its flags.
        compressed: Whether the client accepts compressed messages.
    """
    if compressed and len(data) >= COMPRESSED_FROM:
        data = compress(data)
        flags |= COMPRESSED_FLAG
    return bytes((flags,)) + len(data).to_bytes(4, "big") + data


async def read_envelopes(receive: Receive, compression: str, most: int) -> AsyncGenerator[bytes]:
    """Yield the messages of a stream, decompressed.

    Args:
        receive: Receives the body of the request.
        compression: The compression of messages that are compressed.
        most: The most bytes of a message, before and after decompression.

    Raises:
        TooLargeError: A message is larger.
        RpcError: The stream is malformed.
        DisconnectedError: The client closed the connection before the end.
    """
    buffer = bytearray()
    async for chunk in chunks_of(receive):
        buffer += chunk
        while len(buffer) >= _PREFIX:
            flags, size = buffer[0], int.from_bytes(buffer[1:_PREFIX], "big")
            if flags & ~COMPRESSED_FLAG:
                raise unreadable(f"unknown flags 0x{flags:02x} of a message in the stream")
            if size > most:
                raise TooLargeError(size)
            end = _PREFIX + size
            if len(buffer) < end:
                break
            message = bytes(buffer[_PREFIX:end])
            del buffer[:end]
            if flags & COMPRESSED_FLAG:
                if compression in ("", IDENTITY):
                    raise unreadable("a compressed message in a stream without a compression")
                message = decompress(message, compression, most)
            yield message
    if buffer:
        raise unreadable("the stream ends within a message")
