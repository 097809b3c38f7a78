"""A testee of protobuf's conformance runner: `executor.py SCHEMA.binpb`.

It reads and writes the runner's test messages with this package's readers and writers, which are
not made for its own schema alone. The schema is a descriptor set with the protocol
(conformance.proto) and the test messages.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

import crucible_ir as ir

Reader = Callable[[Any, type[Message]], Message]
Writer = Callable[[Message], str | bytes]

#: The readers, by the field of the payload.
READERS: dict[str, Reader] = {
    "protobuf_payload": lambda data, cls: ir.from_binary(data, cls, validate=False),
    "json_payload": lambda data, cls: ir.from_json(data, cls, validate=False),
    "text_payload": lambda data, cls: ir.from_text(data, cls, validate=False),
}

#: The fields of the response and their writers, by the name of the requested format.
WRITERS: dict[str, tuple[str, Writer]] = {
    "PROTOBUF": ("protobuf_payload", ir.to_binary),
    "JSON": ("json_payload", ir.to_json),
    "TEXT_FORMAT": ("text_payload", ir.to_text),
}


class Executor:
    """Answers the requests of the runner.

    Args:
        schema: The protocol and the test messages, which are added to the default pool, because
            the readers of Any and of extensions look there.
    """

    def __init__(self, schema: FileDescriptorSet) -> None:
        self._pool = descriptor_pool.Default()
        for file in schema.file:
            if not self._is_registered(file.name):
                self._pool.AddSerializedFile(file.SerializeToString())
        self._request = self._class("conformance.ConformanceRequest")
        self._response = self._class("conformance.ConformanceResponse")

    def serve(self, requests: BinaryIO, responses: BinaryIO) -> None:
        """Answer every request: its size in four bytes, the lowest first, and its message."""
        while prefix := requests.read(4):
            [size] = struct.unpack("<I", prefix)
            answer = self.answer(self._request.FromString(requests.read(size)))
            data = answer.SerializeToString()
            responses.write(struct.pack("<I", len(data)) + data)
            responses.flush()

    def answer(self, request: Any) -> Any:
        """Return the response to a request."""
        response = self._response()
        payload = request.WhichOneof("payload")
        if request.message_type == "conformance.FailureSet":
            response.protobuf_payload = b""  # The failures are in a file.
            return response
        formats = request.DESCRIPTOR.fields_by_name["requested_output_format"].enum_type
        wanted = formats.values_by_number[request.requested_output_format].name
        if payload not in READERS or wanted not in WRITERS:
            response.skipped = "not a format of this package"
            return response
        name, write = WRITERS[wanted]
        try:
            cls = self._class(request.message_type)
            message = READERS[payload](getattr(request, payload), cls)
        except ir.DecodeError as error:
            response.parse_error = str(error)
            return response
        except Exception as error:
            response.runtime_error = repr(error)
            return response
        try:
            setattr(response, name, write(message))
        except ir.EncodeError as error:
            response.serialize_error = str(error)
        except Exception as error:
            response.runtime_error = repr(error)
        return response

    def _is_registered(self, file: str) -> bool:
        try:
            self._pool.FindFileByName(file)
        except KeyError:
            return False
        return True

    def _class(self, name: str) -> Any:
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))


if __name__ == "__main__":
    schema = FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    Executor(schema).serve(sys.stdin.buffer, sys.stdout.buffer)
