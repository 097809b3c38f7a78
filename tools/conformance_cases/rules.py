"""Cases for every rule of the schema: at its limits, beyond them, and in nested messages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from conformance_cases.partial_cases import PartialCase, of_message
from conformance_cases.samples import (
    TIMESTAMP,
    age,
    embeddings,
    minimal,
    rules_on,
    set_sample,
    types,
)
from crucible_ir.schema.fields import Kind, describe_field, fields_of
from crucible_ir.schema.rules import Rule, rules_of

INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)

#: The seconds of the first and the last timestamp in RFC 3339.
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
LAST_NANO = 999_999_999

Broken = tuple[str, str]


def strings() -> Iterator[PartialCase]:
    """Yield cases for the rules on strings: required, and the maximum length in bytes."""
    # The fields alternate, because a wrong rule that counts characters fails with each of them.
    characters = itertools.cycle(("é", "€", "😀"))
    by_age = sorted(_fields(Kind.STRING), key=lambda pair: age(describe_field(pair[1]).since))
    for descriptor, field in by_age:
        rules = rules_on(descriptor, field.name)
        limits = [rule.parameters["max_bytes"] for rule in rules if "max_bytes" in rule.parameters]
        if any(rule.rule_id == "required" for rule in rules):
            yield _scalar(descriptor, field, "empty", "", {"required"})
        for limit in limits:
            assert isinstance(limit, int)
            is_version = any(rule.rule_id == "string.pattern" for rule in rules)
            for name, text in _lengths(limit, "" if is_version else next(characters)):
                broken = {"string.max_bytes"} if len(text.encode()) > limit else set()
                yield _scalar(descriptor, field, name, text, broken)


def _lengths(limit: int, wide: str) -> Iterator[tuple[str, str]]:
    """Yield strings just within and just beyond a limit in bytes, with their names.

    Args:
        limit: The maximum length in bytes.
        wide: A multi-byte character; empty if the string must be a version.
    """
    start = "" if wide else "1.2.3+"
    yield "shortest", start.rstrip("+") or "x"
    for size in (limit, limit + 1):
        yield f"{size}_bytes", start + "x" * (size - len(start))
    if wide:
        width = len(wide.encode())
        text = "x" * (limit % width) + wide * (limit // width)
        yield f"{limit}_bytes_of_{width}", text
        yield f"{limit + 1}_bytes_of_{width}", f"{text}x"


#: The valid and invalid examples of semver.org.
VERSIONS = """
0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.1.2+meta-valid 1.0.0-alpha 1.0.0-beta
1.0.0-alpha.beta 1.0.0-alpha.1 1.0.0-alpha0.valid 1.0.0-rc.1+build.123 1.2.3-SNAPSHOT-123
1.0.0+0.build.1-rc.10000aaa-kk-0.1 99999999999999999999999.999999999999999999.99999999999999999
1.0.0-0A.is.legal 2.0.0+build.1848 1.0.0--.- 0.0.0 1.2.3-0 1.2.3+007
"""
INVALID_VERSIONS = """
1 1.2 1.2.3-0123 1.2.3-0123.0123 1.1.2+.123 +invalid -invalid -invalid+invalid alpha alpha.beta
alpha.1 1.0.0-alpha_beta 1.0.0-alpha.. 1.0.0-alpha..1 01.1.1 1.01.1 1.1.01 1.2.3.DEV 1.2-SNAPSHOT
1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788 1.2-RC-SNAPSHOT -1.0.3-gamma+b7718
+justmeta 9.8.7+meta+meta 9.8.7-whatever+meta+meta v1.2.3 1.2.3- 1.2.3+ 1.2.3-a. 1..3 1.2.3-é
1.٢.3 1.2.3_ =1.2.3
"""
#: Invalid versions with white space and control characters, which the list above cannot contain.
BLANK_VERSIONS = [" 1.2.3", "1.2.3 ", "1.2.3\n", "\n1.2.3", "1.2.3\x00", "1.2.3\r\n", "1.2.3\u2028"]


#: Digests in the grammar of the OCI image specification, and texts outside it.
DIGESTS = """
sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
sha512:401b09eab3c013d4ca54922bb802bec8fd5318192b0a75f201d8b372742 sha1:0a1b mlflow:cf5a2d3e
sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564= multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3
a:b a.b_c-d+e:F
"""
INVALID_DIGESTS = """
sha256 sha256: :abc SHA256:abc sha256:a:b sha256:a/b sha+:abc +sha:abc sha++256:abc sha256:é
6c3c624b sha256:a.b
"""
BLANK_DIGESTS = ["", " sha1:0a", "sha1:0a ", "sha1:0a\n", "sha1: 0a", "sha1:0a\x00"]


def versions() -> Iterator[PartialCase]:
    """Yield cases for the pattern of a semantic version."""
    yield from _pattern("version", VERSIONS.split(), INVALID_VERSIONS.split() + BLANK_VERSIONS)


def digests() -> Iterator[PartialCase]:
    """Yield cases for the pattern of a digest."""
    yield from _pattern("digest", DIGESTS.split(), INVALID_DIGESTS.split() + BLANK_DIGESTS)


def _pattern(name: str, good: list[str], bad: list[str]) -> Iterator[PartialCase]:
    """Yield cases for each field of a name that has a pattern."""
    for descriptor, field in _fields(Kind.STRING):
        rule_ids = {rule.rule_id for rule in rules_on(descriptor, field.name)}
        if field.name == name and "string.pattern" in rule_ids:
            for number, text in enumerate(good, start=1):
                yield _scalar(descriptor, field, f"good_{number:02}", text, set())
            for number, text in enumerate(bad, start=1):
                yield _scalar(descriptor, field, f"bad_{number:02}", text, {"string.pattern"})


def numbers() -> Iterator[PartialCase]:
    """Yield cases for the bounds of integers and doubles."""
    for descriptor, field in (
        *_fields(Kind.INT32),
        *_fields(Kind.INT64),
        *_fields(Kind.DOUBLE),
    ):
        rules = rules_on(descriptor, field.name)
        bounds = sorted({float(bound) for rule in rules for bound in _bounds(rule)})
        if not bounds:
            continue
        seen: set[str] = set()
        for name, value in _around(field, bounds):
            if name not in seen:
                seen.add(name)
                broken = number_rules_broken(rules, value)
                yield _scalar(descriptor, field, name, value, broken)


def number_rules_broken(rules: list[Rule], value: float) -> set[str]:
    """Return the ids of the rules that a number breaks."""
    return {rule.rule_id for rule in rules if not _satisfies(rule, value)}


def _bounds(rule: Rule) -> list[Any]:
    return [rule.parameters[name] for name in ("gt", "gte", "lte") if name in rule.parameters]


def _around(field: FieldDescriptor, bounds: list[float]) -> Iterator[tuple[str, Any]]:
    """Yield each bound, the values next to it, and the ends of the type."""
    kind = describe_field(field).kind
    if kind in (Kind.INT32, Kind.INT64):
        for bound in map(int, bounds):
            for value in (bound - 1, bound, bound + 1, *(INT32 if kind is Kind.INT32 else INT64)):
                yield f"{value}".replace("-", "minus_"), value
        return
    for limit in bounds:
        yield f"at_{limit:g}", limit
        yield f"below_{limit:g}", math.nextafter(limit, -math.inf)
        yield f"above_{limit:g}", math.nextafter(limit, math.inf)
        if limit == 0:
            yield "minus_zero", -0.0
    for name in ("nan", "inf", "-inf"):
        yield name.replace("-", "minus_"), float(name)


def _satisfies(rule: Rule, value: float) -> bool:
    """Return whether a number satisfies a rule; NaN satisfies none that has a bound."""
    parameters: Any = rule.parameters
    return (
        ("gt" not in parameters or value > parameters["gt"])
        and ("gte" not in parameters or value >= parameters["gte"])
        and ("lte" not in parameters or value <= parameters["lte"])
        and ("finite" not in parameters or math.isfinite(value))
    )


def enums() -> Iterator[PartialCase]:
    """Yield cases for closed vocabularies with numbers that have no name."""
    for descriptor, field in _fields(Kind.ENUM):
        rule_ids = {rule.rule_id for rule in rules_on(descriptor, field.name)}
        if "enum.defined_only" not in rule_ids:
            continue
        assert field.enum_type is not None
        last = max(value.number for value in field.enum_type.values)
        for number in (last + 1, -1, *INT32):
            name = f"{number}".replace("-", "minus_")
            yield _scalar(descriptor, field, name, number, {"enum.defined_only"})
        if "required" in rule_ids:
            yield _scalar(descriptor, field, "unset", 0, {"required"})


def presence() -> Iterator[PartialCase]:
    """Yield cases for required values: messages, items of lists, and members of oneofs."""
    for descriptor in types().values():
        for rule in rules_of(descriptor):
            base = minimal(descriptor)
            prefix = f"{descriptor.name}.{rule.field_path}"
            broken = {(rule.field_path, rule.rule_id)}
            oneof = descriptor.oneofs_by_name.get(rule.field_path)
            if oneof is not None:
                base.ClearField(rule.field_path)
                yield of_message(f"{prefix}.absent", base, broken)
                for member in oneof.fields:
                    base = minimal(descriptor)
                    set_sample(base, member)
                    yield of_message(f"{prefix}.{member.name}", base)
                continue
            field = descriptor.fields_by_name.get(rule.field_path)
            if field is None:
                continue
            if rule.rule_id == "repeated.min_items":
                yield of_message(f"{prefix}.one", base)
                set_sample(base, field)
                yield of_message(f"{prefix}.two", base)
                base.ClearField(field.name)
                yield of_message(f"{prefix}.none", base, broken)
            elif rule.rule_id == "required" and field.message_type is not None:
                yield of_message(f"{prefix}.present", base)
                base.ClearField(field.name)
                yield of_message(f"{prefix}.absent", base, broken)


def timestamps() -> Iterator[PartialCase]:
    """Yield cases for the range of every timestamp, which is that of RFC 3339."""
    for descriptor in types().values():
        for field in descriptor.fields:
            if field.message_type is None or field.message_type.full_name != TIMESTAMP:
                continue
            rule_id = "timestamp.gte_lte"
            assert [rule.rule_id for rule in rules_on(descriptor, field.name)] == [rule_id]
            for name, seconds, nanos, is_broken in (
                ("first", FIRST_SECOND, 0, False),
                ("last", LAST_SECOND, LAST_NANO, False),
                ("before_first", FIRST_SECOND - 1, LAST_NANO, True),
                ("after_last", LAST_SECOND + 1, 0, True),
            ):
                base = minimal(descriptor)
                held = getattr(base, field.name)
                held.seconds, held.nanos = seconds, nanos
                broken = {(field.name, rule_id)} if is_broken else set()
                yield of_message(f"{descriptor.name}.{field.name}.{name}", base, broken)


def own() -> Iterator[PartialCase]:
    """Yield cases for the custom rules of the schema, which are in CEL."""
    message = types()["Message"]
    content = {("", "message.content_required")}
    assert message.fields_by_name["role"].enum_type is not None
    for value in message.fields_by_name["role"].enum_type.values[1:]:
        base = minimal(message)
        base.ClearField("content")
        base.role = value.number
        is_assistant = value.name == "MESSAGE_ROLE_ASSISTANT"
        yield of_message(
            f"Message.{value.name.lower()}_alone", base, () if is_assistant else content
        )
        base.refusal = ""
        yield of_message(f"Message.{value.name.lower()}_and_refusal", base)
    base.ClearField("refusal")
    yield of_message("Message.neither", base, content)
    base.tool_calls.add(name="zoom")
    yield of_message("Message.tool_call_alone", base)
    base.parts.SetInParent()
    yield of_message("Message.tool_call_and_no_parts", base)
    base.ClearField("tool_calls")
    yield of_message("Message.empty_parts", base)
    base.text = ""
    yield of_message("Message.empty_text", base)
    base.ClearField("content")
    base.name, base.tool_call_id = "ada", "c1"
    yield of_message("Message.names_and_no_content", base, content)
    result = types()["ToolResultContent"]
    base = minimal(result)
    base.content = ""
    yield of_message("ToolResultContent.content", base)
    base.parts.add(text="")
    yield of_message("ToolResultContent.both", base, {("", "message.oneof")})
    base.ClearField("content")
    yield of_message("ToolResultContent.parts", base)
    options = types()["GenerationOptions"]
    schema = {("", "generation_options.json_schema_required")}
    assert options.fields_by_name["response_format"].enum_type is not None
    for value in options.fields_by_name["response_format"].enum_type.values:
        base = minimal(options)
        base.response_format = value.number
        is_schema = value.name == "RESPONSE_FORMAT_JSON_SCHEMA"
        name = f"GenerationOptions.{value.name.lower()}"
        yield of_message(f"{name}_without", base, schema if is_schema else ())
        base.json_schema.SetInParent()
        yield of_message(f"{name}_with_empty", base)
        base.json_schema.update({"type": "object"})
        yield of_message(f"{name}_with", base)


def nested() -> Iterator[PartialCase]:
    """Yield cases for broken rules in nested messages."""
    for descriptor in types().values():
        broken = _breakages(descriptor)
        if not broken:
            continue
        for parent, field in embeddings(descriptor):
            name = f"{parent.name}.{field.name}"
            if not field.is_repeated:
                for path, rule_id, child in broken[:2]:
                    base = minimal(parent)
                    getattr(base, field.name).CopyFrom(child)
                    label = f"{name}.{path}" if path else f"{name}.{rule_id}"
                    yield of_message(label, base, {(_joined(field.name, path), rule_id)})
                continue
            for position in (0, 2):
                base = minimal(parent)
                held = getattr(base, field.name)
                del held[:]
                path, rule_id, child = broken[position % len(broken)]
                for index in range(3):
                    held.add().CopyFrom(child if index == position else minimal(descriptor))
                at = f"{field.name}[{position}]"
                yield of_message(f"{name}.{position}", base, {(_joined(at, path), rule_id)})


def several() -> Iterator[PartialCase]:
    """Yield cases for messages that break as many rules as possible."""
    for descriptor in types().values():
        base = minimal(descriptor)
        all_broken: set[Broken] = set()
        for path, rule_id, child in _breakages(descriptor):
            field = descriptor.fields_by_name.get(path)
            if field is None or (field.containing_oneof and len(field.containing_oneof.fields) > 1):
                continue
            base.ClearField(field.name)
            if field.is_repeated:
                all_broken.add((path, rule_id))
                continue
            if field.message_type is not None:
                if child.HasField(field.name):
                    getattr(base, field.name).CopyFrom(getattr(child, field.name))
            else:
                setattr(base, field.name, getattr(child, field.name))
            all_broken.add((path, rule_id))
        if len(all_broken) > 1:
            yield of_message(f"{descriptor.name}.all", base, all_broken)


def _joined(start: str, path: str) -> str:
    return f"{start}.{path}" if path else start


def _breakages(descriptor: Descriptor) -> list[tuple[str, str, Message]]:
    """Return messages of a type that each break one rule, with the path and the id of the rule."""
    found: list[tuple[str, str, Message]] = []
    seen: set[str] = set()
    for rule in rules_of(descriptor):
        base = minimal(descriptor)
        if rule.field_path in seen or not _break(base, descriptor, rule):
            continue
        seen.add(rule.field_path)
        found.append((rule.field_path, rule.rule_id, base))
    return found


def _break(message: Any, descriptor: Descriptor, rule: Rule) -> bool:
    """Change a valid message so that it breaks one rule; return whether that is possible."""
    path, parameters = rule.field_path, rule.parameters
    match rule.rule_id:
        case "required" | "repeated.min_items":
            message.ClearField(path)
        case "int32.gt" | "double.gt":
            setattr(message, path, type(getattr(message, path))(parameters["gt"]))
        case "int32.gte" | "int64.gte" | "double.gte" | "double.gte_lte":
            low: Any = parameters["gte"]
            setattr(message, path, low - 1)
        case "enum.defined_only":
            setattr(message, path, 99)
        case "timestamp.gte_lte":
            getattr(message, path).seconds = LAST_SECOND + 1
        case "message.content_required":
            message.ClearField("content")
            message.role = 2
        case "message.oneof":
            message.content = ""
            message.parts.add(text="")
        case "string.pattern":
            setattr(message, path, "!")
        case "generation_options.json_schema_required":
            message.response_format = 3
        case _:
            return False
    return True


def _fields(kind: Kind) -> Iterator[tuple[Descriptor, FieldDescriptor]]:
    for descriptor in types().values():
        for field in fields_of(descriptor).values():
            if field.kind is kind and not field.is_map and rules_on(descriptor, field.name):
                yield descriptor, field.descriptor


def _scalar(
    descriptor: Descriptor, field: FieldDescriptor, name: str, value: Any, broken: set[str]
) -> PartialCase:
    message = minimal(descriptor)
    setattr(message, field.name, value)
    found = {(field.name, rule_id) for rule_id in broken}
    return of_message(f"{descriptor.name}.{field.name}.{name}", message, found)
