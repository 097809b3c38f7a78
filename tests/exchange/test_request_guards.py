"""The guards of requests accept exactly the requests that protovalidate finds valid."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from effort import examples
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from protovalidate import collect_violations

import generate_guards
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import request_guards, v1
from crucible_ir.exchange.server.rpc.request_validation import check_request
from crucible_ir.exchange.server.services.registration import method_names
from crucible_ir.validation import check

REQUESTS: dict[str, type[Message]] = {
    name.rpartition(".")[2]: getattr(v1, name.rpartition(".")[2]) for name in request_guards.GUARDS
}

#: The number of messages of each type.
CASES = 1_500

#: Valid values, and values around the limits of rules.
VALID: dict[int, Any] = {
    FieldDescriptor.TYPE_STRING: "ModelRef",
    FieldDescriptor.TYPE_BYTES: b"{}",
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_ENUM: 1,
    FieldDescriptor.TYPE_INT32: 100,
    FieldDescriptor.TYPE_INT64: 100,
}
#: A valid value of a field that names a release.
VERSION = "0.2.0"
STRINGS = (
    *("", "A", "a", "1", "Ab1", "A b", "A\n", "AÄ", "Modelref\x00", "é", "id"),
    *("A" * size for size in (16, 17, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513)),
    *("A" * size for size in (1024, 1025, 4095, 4096, 4097, 5000, 6000, 7000, 8000)),
    *("é" * size for size in (32, 33, 64, 65, 256, 257)),
    *("😀" * size for size in (16, 17, 32, 33, 128, 129, 1024, 1025)),
)
INTEGERS = (
    *(-(2**31), -1, 0, 1, 2, 99, 100, 101, 999, 1000, 1001, 9_999, 10_000, 10_001),
    *(3_599_999, 3_600_000, 3_600_001, 2**31 - 1),
)
DOUBLES = (-math.inf, -1.0, -0.0, 0.0, 0.5, 1e300, math.inf, math.nan)
ENUMS = (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 2**31 - 1)
#: Mostly around the limits of short lists, because long ones take long to validate.
COUNTS = (*(0, 1, 2, 16, 17, 64, 65) * 4, 10_000, 10_001)
SIZES = (0, 3 * 1024 * 1024, 3 * 1024 * 1024 + 1)
SECONDS = (-(2**40), -62_135_596_801, -62_135_596_800, 0, 253_402_300_799, 253_402_300_800, 2**40)


def filled(type_: Any, random: Random, oddity: float) -> Any:
    """Return a message whose fields are unset, valid or, with a probability, arbitrary."""
    message = type_()
    for field in message.DESCRIPTOR.fields:
        if random.random() < 0.3 and random.random() < 0.5 + oddity:
            continue
        is_odd = random.random() < oddity
        if not field.is_repeated:
            fill(message, field, random, oddity if is_odd else 0.0)
            continue
        count = random.choice(COUNTS) if is_odd else 1
        items = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            # The only map has no rules.
            items.update({str(number): random.choice(DOUBLES) for number in range(min(count, 3))})
            continue
        for _ in range(count):
            if field.message_type is None:
                items.append(scalar(field, random, is_odd))
            elif count > 100:
                items.add()
            else:
                items.add().CopyFrom(embedded(field.message_type.full_name, random, oddity))
    return message


def fill(message: Any, field: FieldDescriptor, random: Random, oddity: float) -> None:
    if field.message_type is None:
        setattr(message, field.name, scalar(field, random, oddity > 0))
        return
    value = getattr(message, field.name)
    value.SetInParent()
    value.CopyFrom(embedded(field.message_type.full_name, random, oddity))


def embedded(name: str, random: Random, oddity: float) -> Any:
    is_odd = random.random() < oddity
    match name:
        case "google.protobuf.Timestamp":
            found = v1.ExportRequest().start_time
            found.seconds = random.choice(SECONDS) if is_odd else 1
            found.nanos = random.choice((-1, 0, 1, 10**9)) if is_odd else 0
            return found
        case "google.protobuf.Duration":
            span = v1.SummarizeRequest().bucket
            span.seconds = random.choice((-1, 0, 1, 3600, 2**40)) if is_odd else 3600
            return span
        case "crucible_ir.v1.Document":
            document = ir_v1.Document(ir_version="1.0")
            document.model_ref.id = "" if is_odd else "m"
            return ir_v1.Document() if is_odd and random.random() < 0.3 else document
        case "crucible_ir.v1.FeedbackEvent":
            return ir_v1.FeedbackEvent(id="" if is_odd else "e")
        case "crucible_ir.v1.FeedbackConfig":
            return ir_v1.FeedbackConfig(retention_days=0 if is_odd else 1)
        case "crucible_ir.v1.MetricsSnapshot":
            snapshot = ir_v1.MetricsSnapshot(step=1, epoch=0.5, values={"loss": math.nan})
            if is_odd:
                snapshot.step = random.choice(INTEGERS)
                snapshot.epoch = random.choice(DOUBLES)
            return snapshot
    return filled(REQUESTS[name.rpartition(".")[2]], random, oddity)


def scalar(field: FieldDescriptor, random: Random, is_odd: bool) -> Any:
    if not is_odd:
        return VERSION if field.name == "readable_by" else VALID[field.type]
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return random.choice(STRINGS)
        case FieldDescriptor.TYPE_BYTES:
            return b"x" * random.choice(SIZES)
        case FieldDescriptor.TYPE_ENUM:
            return random.choice(ENUMS)
        case FieldDescriptor.TYPE_BOOL:
            return random.choice((True, False))
    return random.choice(INTEGERS)


def is_undecided(message: Any) -> bool:
    """Return whether guards leave a message to protovalidate, for a duration or a timestamp."""
    for field, value in message.ListFields():
        if field.message_type is None or field.is_repeated:
            continue
        if field.message_type.name == "Duration":
            return True
        if field.message_type.name == "Timestamp" and not 0 <= value.nanos < 10**9:
            return True
    return False


@pytest.mark.parametrize("name", REQUESTS)
def test_a_guard_accepts_exactly_the_requests_without_violations(name: str) -> None:
    random = Random(name)
    guard = request_guards.GUARDS[f"crucible_ir.exchange.v1.{name}"]
    valid = invalid = 0
    count = examples(CASES)
    for number in range(count):
        message = filled(REQUESTS[name], random, (0.0, 0.1, 0.9, 1.0)[number % 4])
        broken = collect_violations(message)
        certain = guard(message)
        if broken:
            assert not certain, (message, [each.proto.rule_id for each in broken])
        else:
            assert certain or is_undecided(message), message
        valid += not broken
        invalid += bool(broken)
    assert valid > count / 20
    assert invalid > count / 20


def test_every_request_has_a_guard() -> None:
    requests = {f"{name.rpartition('/')[2]}Request" for name in method_names()}
    assert requests <= set(REQUESTS)


def test_the_committed_guards_are_those_generated_from_the_packages_rules() -> None:
    written = generate_guards.write_requests(generate_guards.installed_files())
    assert written.source == Path(request_guards.__file__).read_text(encoding="utf-8")


def test_only_durations_are_left_to_protovalidate() -> None:
    written = generate_guards.write_requests(generate_guards.installed_files())
    assert {fallback.rule for fallback in written.fallbacks} == {"duration.lte, duration.gte"}


def test_a_valid_request_does_not_reach_protovalidate(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(message: Message) -> Any:
        raise AssertionError("protovalidate was called")

    monkeypatch.setattr(check, "_collector", lambda: never)
    check_request(v1.GetRequest(type="ModelRef", id="m"))
    check_request(v1.IngestRequest(events=[ir_v1.FeedbackEvent()] * 500))
