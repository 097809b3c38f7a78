"""An executor for google's protobuf with protovalidate and rfc8785: `executor.py SCHEMA`."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import protovalidate
import rfc8785
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

SCHEMA = descriptor_pb2.FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
POOL = descriptor_pool.DescriptorPool()
for file in SCHEMA.file:
    POOL.AddSerializedFile(file.SerializeToString())


def class_of(name: str) -> Any:
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


Request = class_of("crucible_ir.conformance.v1.Request")
Response = class_of("crucible_ir.conformance.v1.Response")


def main() -> None:
    while (body := read_frame()) is not None:
        request, response = Request.FromString(body), Response()
        try:
            if request.HasField("describe"):
                response.describe.implementation = "google's protobuf for Python"
                response.describe.aspects.extend([1, 2, 3, 4])  # everything that Aspect lists
            else:
                evaluate(request.evaluate, response.evaluate)
        except Exception as error:  # a failure of this program, not of the payload
            response = Response(executor_error=repr(error))
        write_frame(response.SerializeToString())


def evaluate(request: Any, response: Any) -> None:
    message = class_of(request.message_type)()
    try:
        if request.HasField("json"):
            # The JSON parser counts levels differently: reading it back applies the binary limit.
            json_format.Parse(request.json, message, max_recursion_depth=101)
            class_of(request.message_type).FromString(message.SerializeToString())
        else:
            message.MergeFromString(request.binary)
    except Exception as error:
        response.decode_error = str(error)
        return
    found = response.evaluation
    found.binary = message.SerializeToString()
    found.broken_rules.SetInParent()  # present, also when no rule is broken
    for violation in protovalidate.collect_violations(message):
        path = path_of(violation.proto.field)
        found.broken_rules.rules.add(path=path, rule_id=violation.proto.rule_id)
    try:
        value = json_format.MessageToDict(message)
        found.json = json.dumps(value, allow_nan=False)
    except Exception as error:
        found.json_error = found.digest_error = str(error)
        return
    if has_unknown_fields(message):
        found.digest_error = "the message has unknown fields"
    else:
        found.digest = "sha256:" + hashlib.sha256(rfc8785.dumps(doubles(value))).hexdigest()


def path_of(field: Any) -> str:
    path = ""
    for element in field.elements if field else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:  # an index into a list or the key of a map
            path += f"[{json.dumps(element.subscript.value)}]"
    return path


def has_unknown_fields(message: Any) -> bool:
    known = class_of(message.DESCRIPTOR.full_name)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()  # at any depth
    return bool(known.ByteSize() != message.ByteSize())


def doubles(value: Any) -> Any:
    """Convert every number to a double, as RFC 8785 requires."""
    if isinstance(value, dict):
        return {key: doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [doubles(item) for item in value]
    return float(value) if type(value) is int else value


def read_frame() -> bytes | None:
    size = shift = 0
    while byte := sys.stdin.buffer.read(1):
        size |= (byte[0] & 0x7F) << shift  # a varint: seven bits a byte, the lowest first
        shift += 7
        if byte[0] < 0x80:
            return sys.stdin.buffer.read(size)
    return None


def write_frame(body: bytes) -> None:
    size, prefix = len(body), bytearray()
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    sys.stdout.buffer.write(prefix + body)
    sys.stdout.buffer.flush()


main()
