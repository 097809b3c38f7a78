"""A lossless codec for grpclib."""

from __future__ import annotations

import betterproto2
from grpclib.encoding.base import CodecBase

from crucible_ir.betterproto.classes import protobuf_class_of
from crucible_ir.betterproto.conversion import from_betterproto, to_betterproto
from crucible_ir.serialization.binary import from_binary, to_binary


class LosslessCodec(CodecBase):
    r"""Encodes messages with `from_betterproto` and decodes them with `to_betterproto`.

    grpclib's own codec drops the nanoseconds of timestamps and does not check the types of values.
    Messages are not validated; the server does that.

    >>> from crucible_ir.betterproto.exchange import v1
    >>> LosslessCodec().encode(v1.GetRequest(type="ModelRef"), v1.GetRequest)
    b'\n\x08ModelRef'
    """

    __content_subtype__ = "proto"

    def encode(
        self, message: betterproto2.Message, message_type: type[betterproto2.Message]
    ) -> bytes:
        """Encode a message.

        Raises:
            DecodeError: A value has the wrong type or would be lost; the error has the path.
            UnknownTypeError: The message is of another type.
        """
        expected = protobuf_class_of(message_type)
        return to_binary(from_betterproto(message, expected, validate=False))

    def decode(self, data: bytes, message_type: type[betterproto2.Message]) -> betterproto2.Message:
        """Decode a message.

        Raises:
            EncodeError: betterproto2 would lose a part of the message; the error has the path.
        """
        received = from_binary(data, protobuf_class_of(message_type), validate=False)
        return to_betterproto(received, message_type)
