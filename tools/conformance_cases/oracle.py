"""The oracle: the expected result for a payload by google's protobuf, protovalidate and rfc8785.

It uses none of this package's own readers, writers, guards or digests.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any, Self, cast

import protovalidate
import rfc8785
from google.protobuf import json_format
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Value
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir import v1 as ir_v1
from crucible_ir.conformance import v1
from crucible_ir.schema.walk import walk

#: The largest integer that rfc8785 accepts; larger numbers are passed as doubles.
_MAX_INTEGER = 2**53 - 1

#: A limit that no case reaches.
_UNLIMITED_DEPTH = 10_000

_LENGTH_DELIMITED = 2

#: What google's readers raise for a payload that they cannot decode.
_DECODE_ERRORS = (
    json_format.ParseError,
    DecodeError,
    EncodeError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)

#: A broken rule: its path and its id.
Broken = tuple[str, str]


def message_class(full_name: str) -> Any:
    """Return the generated class of a message of the IR."""
    return getattr(ir_v1, full_name.rpartition(".")[2])


def expected(request: v1.EvaluateRequest) -> v1.EvaluateResponse:
    """Return the expected response for a payload."""
    try:
        message = decode(request)
    except _DECODE_ERRORS as error:
        return v1.EvaluateResponse(decode_error=" ".join(str(error).split()))
    return v1.EvaluateResponse(evaluation=evaluation(message))


def decode(request: v1.EvaluateRequest) -> Message:
    """Decode a payload with google's library."""
    message: Message = message_class(request.message_type)()
    if request.WhichOneof("payload") == "json":
        # Its JSON reader counts levels differently: the limit is that of its binary reader.
        json_format.ParseDict(
            json.loads(request.json.decode(), parse_float=_Number, object_pairs_hook=_object),
            message,
            max_recursion_depth=_UNLIMITED_DEPTH,
        )
        type(message).FromString(message.SerializeToString())
    else:
        message.MergeFromString(request.binary)
        _read_hidden_entries(message)
    return message


class _Number(float):
    """A number with a point or an exponent, which is a decimal where a field is an integer.

    google's library rounds it to a double first, so that fractions vanish and digits change.
    """

    decimal: Decimal

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.decimal = Decimal(text)
        return number

    def is_integer(self) -> bool:
        return super().is_integer() and self.decimal == self.decimal.to_integral_value()

    def __int__(self) -> int:
        return int(self.decimal)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key")
    return made


def _read_hidden_entries(root: Message) -> None:
    """Put map entries with an unknown field inside into their maps, less that field.

    Every implementation does so but upb, which keeps them among the unknown fields of the message.
    Cases with such an entry have no other unknown fields.
    """
    found = False
    for _, message in walk(root):
        for each in cast("Any", UnknownFieldSet(message)):
            field: Any = message.DESCRIPTOR.fields_by_number.get(each.field_number)
            if field is None or field.message_type is None or each.wire_type != _LENGTH_DELIMITED:
                continue
            if field.message_type.GetOptions().map_entry:
                found = True
                entry: Any = GetMessageClass(field.message_type).FromString(each.data)
                target = getattr(message, field.name)
                if isinstance(entry.value, Message):
                    target[entry.key].CopyFrom(entry.value)
                else:
                    target[entry.key] = entry.value
    if found:
        root.DiscardUnknownFields()


def evaluation(message: Message) -> v1.Evaluation:
    """Return the expected evaluation of a message."""
    made = v1.Evaluation(binary=message.SerializeToString(deterministic=True))
    made.broken_rules.SetInParent()
    for path, rule_id in sorted(broken_rules(message)):
        made.broken_rules.rules.add(path=path, rule_id=rule_id)
    try:
        _reject_value_without_kind(message)
        value = json_format.MessageToDict(message)
        # Sorted because the order of a map differs between processes.
        made.json = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (json_format.SerializeToJsonError, ValueError):
        made.json_error = made.digest_error = "ProtoJSON cannot write the message"
        return made
    if has_unknown_fields(message):
        made.digest_error = "the message holds unknown fields"
    else:
        made.digest = digest(value)
    return made


def _reject_value_without_kind(root: Message) -> None:
    """Reject a Value without a kind, which google/protobuf/struct.proto defines as an error.

    google's Python writes it as null.
    """
    for _, message in walk(root):
        if isinstance(message, Value) and not message.WhichOneof("kind"):
            raise ValueError("a Value has no kind")


def broken_rules(message: Message) -> set[Broken]:
    """Return the rules that the message breaks, according to protovalidate."""
    return {
        (_path(violation.proto), violation.proto.rule_id)
        for violation in protovalidate.collect_violations(message)
    }


def _path(violation: Any) -> str:
    path = ""
    for element in violation.field.elements if violation.field is not None else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            value = element.subscript.value
            path += f"[{json.dumps(value, ensure_ascii=False)}]"
    return path


def has_unknown_fields(message: Message) -> bool:
    """Return whether a message has unknown fields, at any depth."""
    return any(len(UnknownFieldSet(inner)) for _, inner in walk(message))


def digest(value: Any) -> str:
    """Return the digest of a JSON value."""
    return f"sha256:{hashlib.sha256(rfc8785.dumps(_safe(value))).hexdigest()}"


def _safe(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if type(value) is int and abs(value) > _MAX_INTEGER:
        return float(value)
    return value
