"""The truth about a payload, as others tell it: google's protobuf, protovalidate and rfc8785.

None of this package's own readers, writers, guards or digests has a part in it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import protovalidate
import rfc8785
from google.protobuf import json_format
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir import v1 as ir_v1
from crucible_ir.conformance import v1

#: The largest integer that rfc8785 takes as such; beyond it a number is the double that it is.
_MAX_INTEGER = 2**53 - 1

#: More levels than google's JSON reader is ever given.
_ANY_DEPTH = 10_000

#: A broken rule: its path and its id.
Broken = tuple[str, str]


def message_class(full_name: str) -> Any:
    """Return the generated class of a message of the IR."""
    return getattr(ir_v1, full_name.rpartition(".")[2])


def expected(request: v1.EvaluateRequest) -> v1.EvaluateResponse:
    """Return what must come out for a payload."""
    try:
        message = decoded(request)
    except (json_format.ParseError, DecodeError, EncodeError, ValueError, RecursionError) as error:
        return v1.EvaluateResponse(decode_error=" ".join(str(error).split()))
    return v1.EvaluateResponse(evaluation=evaluation(message))


def decoded(request: v1.EvaluateRequest) -> Message:
    """Read a payload as google's library does."""
    message: Message = message_class(request.message_type)()
    if request.WhichOneof("payload") == "json":
        # Its JSON reader counts levels in a way of its own, but what its binary reader would not
        # take back is too deep.
        json_format.Parse(request.json, message, max_recursion_depth=_ANY_DEPTH)
        type(message).FromString(message.SerializeToString())
    else:
        message.MergeFromString(request.binary)
    return message


def evaluation(message: Message) -> v1.Evaluation:
    """Return everything about a message."""
    made = v1.Evaluation(binary=message.SerializeToString(deterministic=True))
    made.broken_rules.SetInParent()
    for path, rule_id in sorted(broken_rules(message)):
        made.broken_rules.rules.add(path=path, rule_id=rule_id)
    try:
        _refuse_value_without_kind(message)
        plain = json_format.MessageToDict(message)
        # Sorted, since the order of a map is another in each process.
        made.json = json.dumps(plain, ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (json_format.SerializeToJsonError, ValueError):
        made.json_error = made.digest_error = "ProtoJSON cannot write the message"
        return made
    if holds_unknown_fields(message):
        made.digest_error = "the message holds unknown fields"
    else:
        made.digest = digest(plain)
    return made


def _refuse_value_without_kind(message: Any) -> None:
    """Refuse a Value without a kind, which google/protobuf/struct.proto calls an error.

    google's Python writes it as null.
    """
    if message.DESCRIPTOR.full_name == "google.protobuf.Value" and not message.WhichOneof("kind"):
        raise ValueError("a Value has no kind")
    for inner in _held(message):
        _refuse_value_without_kind(inner)


def broken_rules(message: Message) -> set[Broken]:
    """Return the rules that protovalidate says are broken."""
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


def holds_unknown_fields(message: Any) -> bool:
    """Tell whether a message holds unknown fields, at any depth."""
    if len(UnknownFieldSet(message)):
        return True
    return any(map(holds_unknown_fields, _held(message)))


def _held(message: Any) -> list[Any]:
    held: list[Any] = []
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                held += [value[key] for key in value]
        elif field.is_repeated:
            held += value
        else:
            held.append(value)
    return held


def digest(plain: Any) -> str:
    """Return the digest of plain JSON values."""
    return f"sha256:{hashlib.sha256(rfc8785.dumps(_safe(plain))).hexdigest()}"


def _safe(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if type(value) is int and abs(value) > _MAX_INTEGER:
        return float(value)
    return value
