"""What an HTTP request says about a call: its codec, compression, timeout and message."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

import grpc

from crucible_ir.errors import shorten
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.web.api.bodies import GZIP, decompress, unreadable
from crucible_ir.web.api.codecs import CODECS, Codec

if TYPE_CHECKING:
    from starlette.types import Scope

#: The content types of streams begin so, before the name of the codec.
STREAM_TYPE: Final = "application/connect+"

#: The content types of unary calls begin so, before the name of the codec.
UNARY_TYPE: Final = "application/"

_VERSION: Final = "1"
_TIMEOUT: Final = re.compile(r"[0-9]{1,10}")

#: The most parameters of a query: the protocol has five.
_MAX_PARAMETERS: Final = 20


class Headers:
    """The headers of a request, as the metadata of a call.

    Args:
        scope: The request.
    """

    def __init__(self, scope: Scope) -> None:
        self.metadata = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        self._values = dict(reversed(self.metadata))

    def get(self, name: str) -> str:
        """Return the first value of a header in lower case; empty if it is missing."""
        value: str = self._values.get(name, "")
        return value.strip()

    @property
    def media_type(self) -> str:
        """The content type without parameters such as the charset, in lower case."""
        return self.get("content-type").partition(";")[0].strip().lower()

    def accepts_gzip(self, name: str) -> bool:
        """Return whether a header with a list of compressions contains gzip."""
        for item in self.get(name).split(","):
            coding, _, parameters = item.partition(";")
            if coding.strip().lower() == GZIP:
                return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
        return False

    def check_version(self) -> None:
        """Check the version of the protocol.

        Raises:
            RpcError: It is another one than that of this server.
        """
        version = self.get("connect-protocol-version")
        if version not in ("", _VERSION):
            raise _invalid(f'invalid Connect-Protocol-Version {shorten(version)}: expected "1"')

    def timeout(self) -> float | None:
        """Return the timeout in seconds; ``None`` for none.

        Raises:
            RpcError: The header is invalid.
        """
        text = self.get("connect-timeout-ms")
        if not text:
            return None
        if not _TIMEOUT.fullmatch(text):
            raise _invalid(
                f"invalid Connect-Timeout-Ms {shorten(text)}: expected at most 10 digits"
            )
        return int(text) / 1000


def codec_of(media_type: str, *, is_stream: bool) -> Codec | None:
    """Return the codec of a content type; ``None`` if it is not one of the protocol.

    >>> codec_of("application/json", is_stream=False).name
    'json'
    >>> codec_of("application/connect+proto", is_stream=True).name
    'proto'
    """
    start = STREAM_TYPE if is_stream else UNARY_TYPE
    return CODECS.get(media_type[len(start) :]) if media_type.startswith(start) else None


def content_type(codec: Codec, *, is_stream: bool) -> str:
    """Return the content type of a codec."""
    return (STREAM_TYPE if is_stream else UNARY_TYPE) + codec.name


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a call by GET, each with the name that the protocol gives it."""

    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, scope: Scope) -> Query:
        """Parse the query of a request.

        Raises:
            RpcError: It is malformed.
        """
        try:
            text = scope["query_string"].decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
        except ValueError:
            raise unreadable("the query of the URL is malformed") from None
        return cls(dict(reversed(pairs)))

    @property
    def codec(self) -> Codec | None:
        """The codec; ``None`` if it is unknown."""
        return CODECS.get(self.parameters.get("encoding", ""))

    def message(self, most: int) -> bytes:
        """Return the message.

        Raises:
            TooLargeError: It has more bytes than the limit.
            RpcError: It cannot be read.
        """
        parameters = self.parameters
        version = parameters.get("connect")
        if version not in (None, f"v{_VERSION}"):
            raise _invalid(f'invalid parameter connect={quote(version[:20])}: expected "v1"')
        if "message" not in parameters:
            raise _invalid("the parameter message is missing")
        data = parameters["message"].encode("utf-8", "surrogateescape")
        if parameters.get("base64") == "1":
            try:
                # Padding is optional.
                data = base64.b64decode(data + b"=" * (-len(data) % 4), b"-_", validate=True)
            except binascii.Error:
                raise unreadable("the message is not URL-safe base64") from None
        return decompress(data, parameters.get("compression", ""), most)


def _invalid(message: str) -> RpcError:
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, message)
