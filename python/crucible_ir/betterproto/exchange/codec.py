"""The codec that keeps what passes through grpclib whole, or refuses it."""

from __future__ import annotations

import betterproto2
from grpclib.encoding.base import CodecBase

from crucible_ir.betterproto.classes import protobuf_class_of
from crucible_ir.betterproto.conversion import from_betterproto, to_betterproto
from crucible_ir.serialization.binary import from_binary, to_binary


class LosslessCodec(CodecBase):
    r"""Writes and reads the exchange's messages as `from_betterproto` and `to_betterproto` do.

    grpclib's own codec takes what betterproto2 makes of them, which drops the nanoseconds of a
    timestamp and does not look at the types of what is sent. The server checks the rules.

    >>> from crucible_ir.betterproto.exchange import v1
    >>> LosslessCodec().encode(v1.GetRequest(type="ModelRef"), v1.GetRequest)
    b'\n\x08ModelRef'
    """

    __content_subtype__ = "proto"

    def encode(
        self, message: betterproto2.Message, message_type: type[betterproto2.Message]
    ) -> bytes:
        """Write a message.

        Raises:
            DecodeError: A field holds what its type cannot; the error names the path.
            UnknownTypeError: The message is of another type.
        """
        expected = protobuf_class_of(message_type)
        return to_binary(from_betterproto(message, expected, validate=False))

    def decode(self, data: bytes, message_type: type[betterproto2.Message]) -> betterproto2.Message:
        """Read a message.

        Raises:
            EncodeError: betterproto2 would lose part of the message; the error names the path.
        """
        received = from_binary(data, protobuf_class_of(message_type), validate=False)
        return to_betterproto(received, message_type)
