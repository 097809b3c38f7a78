"""The vectors in tests/vectors/digest: messages, their canonical JSON and their digests.

They depend on none of the package's own JSON or digest code: google's library writes the ProtoJSON
of each message, and `jcs` its canonical form. The tests compare the vectors with JavaScript too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

import crucible_ir as ir
import jcs
from generated_files import ROOT

FOLDER = "tests/vectors/digest"

#: How many messages deep the messages are that have every field set.
DEPTH = 2

#: The samples of RFC 8785, appendix B, and others around the limits of the notations.
NUMBERS = """
0 -0.0 0.0 1 1.0 -1.5 1E+3 100e-2 0.1 0.30000000000000004 0.3333333333333333 4.35 1e-5 1e-6 1e-7
9.999999999999997e-7 0.000001234 1.234e-7 5e-324 -5e-324 2.2250738585072014e-308 2e-308
1.7976931348623157e308 -1.7976931348623157e308 1e20 123456789012345680000 999999999999999700000
999999999999999900000 1e21 -1e21 1.5e21 295147905179352830000 9.999999999999997e22 1e23
1.0000000000000001e23 333333333.3333332 333333333.33333325 333333333.3333333 333333333.3333334
333333333.33333343 -0.0000033333333333333333 1424953923781206.2 9007199254740991 -9007199254740991
9007199254740992 -9007199254740992 9007199254740994.0 4503599627370497.5 1.0000000000000002
"""

#: Texts that are hard to write or to sort: RFC 8785, section 3.2.3, and more. Characters beyond
#: U+FFFF sort before U+E000 to U+FFFF, since their surrogates do.
TEXTS = {
    "euro": "\u20ac",
    "carriage return": "\r",
    "presentation form": "\ufb33",
    "digit": "1",
    "two digits": "10",
    "emoji": "\U0001f600",
    "control": "\x80",
    "umlaut": "\xf6",
    "empty": "",
    "null": "\0",
    "escapes": "\b\t\n\f\r\x0b\x1f\x7f\"\\/'",
    "separators": "\u2028\u2029\ufeff",
    "last of the plane": "\uffff",
    "private use": "\ue000",
    "astral": "\U00010000",
    "last of all": "\U0010ffff",
    "combining, not composed": "o\u0308",
    "upper": "A",
    "lower": "a",
    "html": "</script>&amp;",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A message, as its type and any ProtoJSON that reads as it."""

    name: str
    type_name: str
    json: str


def files() -> dict[str, str]:
    """Return the text of every file of vectors by its path in the repository."""
    cases = {
        "types": types(),
        "numbers": numbers(),
        "text": text(),
        "opaque": opaque(),
        "spellings": spellings(),
    }
    found = {f"{FOLDER}/{name}.jsonl": lines(map(vector, some)) for name, some in cases.items()}
    return found | {f"{FOLDER}/refused.jsonl": lines(rejected())}


def lines(values: Iterable[dict[str, str]]) -> str:
    """Return JSON lines, in ASCII so that nothing on the way can change a character."""
    return "".join(json.dumps(value) + "\n" for value in values)


def vector(case: Case) -> dict[str, str]:
    """Return a case with its canonical JSON and its digest."""
    message = json_format.Parse(case.json, ir.MESSAGE_TYPES[case.type_name]())
    canonical = jcs.canonical(json_format.MessageToDict(message))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return {
        "name": case.name,
        "type": case.type_name,
        "json": case.json,
        "canonical": canonical,
        "digest": f"sha256:{digest}",
    }


def types() -> Iterator[Case]:
    """Yield every type's empty message, and two with every field set that can be at once."""
    published = {}
    for line in (ROOT / FOLDER / "types.jsonl").read_text(encoding="ascii").splitlines():
        vector = json.loads(line)
        published[vector["type"], vector["name"]] = vector["json"]
    for name, cls in ir.MESSAGE_TYPES.items():
        yield Case("empty", name, "{}")
        for last in (False, True):
            message = full(cls(), DEPTH, last=last)
            case = f"every field, the {'last' if last else 'first'} of each oneof"
            yield Case(case, name, json_of(message, published.get((name, case), "{}")))


def json_of(message: Message, published: str) -> str:
    """Return the published text for a message, unless it reads as another; then, a sorted one.

    google's library writes maps in an order that differs between processes.
    """
    try:
        same = json_format.Parse(published, type(message)()) == message
    except json_format.ParseError:
        same = False
    return published if same else json.dumps(json_format.MessageToDict(message), sort_keys=True)


def full(message: Any, depth: int, *, last: bool) -> Any:
    """Set every field of a message, of a oneof the first or the last."""
    descriptor: Descriptor = message.DESCRIPTOR
    if descriptor.full_name.startswith("google.protobuf."):
        return json_format.Parse(WELL_KNOWN[descriptor.name], message)
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and field != oneof.fields[-1 if last else 0]:
            continue
        set_field(message, field, depth, last=last)
    return message


WELL_KNOWN = {
    "Struct": '{"limit": 2.5, "flags": [true, null, "x"], "inner": {}}',
    "Value": '{"b": 1, "a": -1}',
    "Timestamp": '"2025-12-26T12:00:00.5Z"',
}


def set_field(message: Any, field: FieldDescriptor, depth: int, *, last: bool) -> None:
    """Set one field; one that would be nested too deeply is left unset."""
    inner = field.message_type
    target = getattr(message, field.name)
    if inner is not None and inner.GetOptions().map_entry:
        value = inner.fields_by_name["value"]
        target["b"], target["a"] = sample(value, 4), sample(value, 16)
    elif inner is not None:
        if depth == 0 and not inner.full_name.startswith("google.protobuf."):
            return
        made = full(target.add() if field.is_repeated else target, depth - 1, last=last)
        made.SetInParent()
    elif field.is_repeated:
        target.extend([sample(field, 0), sample(field, 1)])
    else:
        setattr(message, field.name, sample(field, field.number))


def sample(field: FieldDescriptor, seed: int) -> Any:
    """Return a value for a scalar field; it need not keep the schema's rules."""
    if field.enum_type is not None:
        values = field.enum_type.values
        return values[1 + seed % (len(values) - 1)].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        text = f"{field.name} {seed}"
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool(seed % 2)
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return seed / 8
    return seed


def numbers() -> Iterator[Case]:
    """Yield numbers as doubles and in opaque maps, those that are not finite, and integers."""
    for number in NUMBERS.split():
        yield Case(f"double {number}", "MetricsSnapshot", f'{{"values": {{"m": {number}}}}}')
        # Opaque JSON rejects integers that a double may not represent exactly.
        written = f"{number}.0" if number.lstrip("-").isdigit() and len(number) > 17 else number
        yield Case(f"opaque {written}", "StageDef", f'{{"options": {{"n": [{written}]}}}}')
    for number in ("NaN", "Infinity", "-Infinity", "0.5", "1e3"):
        yield Case(f"quoted {number}", "MetricsSnapshot", f'{{"values": {{"m": "{number}"}}}}')
    yield Case("optional double of -0", "TrainingConfig", '{"learningRate": -0.0}')
    for seed in (2**63 - 1, -(2**63), 2**53 + 1, 0):
        yield Case(f"int64 {seed}", "TrainingConfig", f'{{"seed": "{seed}"}}')
    yield Case("int64 without quotes", "TrainingConfig", '{"seed": 42}')
    for epochs in ("2147483647", "-2147483648", "0", "3.0", "1e2", '"7"'):
        yield Case(f"int32 {epochs}", "TrainingConfig", f'{{"epochs": {epochs}}}')


def text() -> Iterator[Case]:
    """Yield text as a value and as a key, and all of it at once to be sorted."""
    for name, value in TEXTS.items():
        quoted = json.dumps(value)
        yield Case(f"value: {name}", "Experiment", f'{{"description": {quoted}}}')
        yield Case(f"key: {name}", "StageDef", f'{{"options": {{{quoted}: 1}}}}')
    keys = json.dumps({value: name for name, value in TEXTS.items()})
    yield Case("sorted opaque keys", "StageDef", f'{{"options": {keys}}}')
    weights = json.dumps({value: index for index, value in enumerate(TEXTS.values())})
    yield Case("sorted map keys", "Ensemble", f'{{"weights": {weights}}}')
    yield Case("unescaped", "Experiment", '{"id": "\u20ac\U0001f600\x7f\u2028/"}')


def opaque() -> Iterator[Case]:
    """Yield opaque maps and values, empty ones among them."""
    for value in ('{"options": {}}', '{"options": null}', '{"options": {"a": null}}'):
        yield Case(value, "StageDef", value)
    nested = '{"b": [[], {}, [[1, "x"]], {"z": {"y": {"x": false}}}], "a": ""}'
    yield Case("nested", "StageDef", f'{{"options": {nested}}}')
    for value in ("null", "true", "3", "-0.0", '"text"', "[]", "{}", "[null, 1.0]"):
        yield Case(f"value {value}", "FeedbackEvent", f'{{"feedbackValue": {value}}}')


def spellings() -> Iterator[Case]:
    """Yield different documents for one message."""
    backend = '{"id": "gpt4", "profile": "default", "options": {"temperature": 0}}'
    yield Case("example of the specification", "BackendRef", backend)
    yield Case("default left unset", "BackendRef", '{"id": "gpt4", "options": {"temperature": 0}}')
    yield Case("keys in another order", "BackendRef", '{"profile": "default", "id": "gpt4"}')
    yield Case("original names", "BackendRef", '{"model_version": "1", "endpoint_url": "u"}')
    yield Case("lowerCamel names", "BackendRef", '{"modelVersion": "1", "endpointUrl": "u"}')
    yield Case("null is unset", "BackendRef", '{"id": "a", "profile": null}')
    yield Case("empty text is set", "BackendRef", '{"id": "", "profile": ""}')
    yield Case("empty list", "Experiment", '{"tags": [], "outputs": []}')
    yield Case("empty message", "Experiment", '{"reliability": {}}')
    for device in ('"DEVICE_CUDA"', "2", "99", "0"):
        yield Case(f"enum {device}", "TrainingConfig", f'{{"device": {device}}}')
    yield Case("custom name", "TrainingConfig", '{"customDevice": "npu"}')
    for time in (
        "2025-12-26T12:00:00Z",
        "2025-12-26T12:00:00.5Z",
        "2025-12-26T12:00:00.123456Z",
        "2025-12-26T12:00:00.123456789Z",
        "2025-12-26T12:00:00.000000001Z",
        "2025-12-26T14:00:00+02:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
    ):
        yield Case(f"time {time}", "Experiment", f'{{"createdAt": "{time}"}}')
    for data in ("", "AA==", "+/8=", "-_8=", "-_8"):
        yield Case(f"bytes {data!r}", "ImageContent", f'{{"base64": "{data}"}}')


def rejected() -> Iterator[dict[str, str]]:
    """Yield messages that have no digest, as base64, with the path of the reason."""
    for value in ("nan", "inf", "-inf"):
        stage = ir.v1.StageDef()
        stage.options.update({"a": [float(value)]})
        yield rejection(
            f"{value} in an opaque map",
            ir.v1.Experiment(pipeline=[stage]),
            'pipeline[0].options["a"][0]',
        )
    yield rejection("a value without a kind", event_without_kind(), "feedback_value")
    late = ir.v1.Experiment()
    late.created_at.seconds = 253_402_300_800
    yield rejection("a time in the year 10000", late, "created_at")
    newer = ir.v1.BackendRef.FromString(b"\xf8\x07\x01")
    yield rejection("an unknown field", newer, "")
    yield rejection("an unknown field inside", ir.v1.Experiment(backend=newer), "backend")


def event_without_kind() -> Message:
    """Return an event whose value is there and says nothing."""
    event = ir.v1.FeedbackEvent()
    event.feedback_value.SetInParent()
    return event


def rejection(name: str, message: Message, path: str) -> dict[str, str]:
    """Return the line for a message that has no digest."""
    binary = base64.b64encode(message.SerializeToString()).decode("ascii")
    return {"name": name, "type": message.DESCRIPTOR.name, "binary": binary, "path": path}
