"""Partial cases: cases without expected values, and the facts that their author states."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.message import Message

from conformance_cases import oracle
from conformance_cases.layout import compact
from crucible_ir.conformance import v1

#: The end of the decode error of a payload that google's Python library accepts, although the
#: specification requires an error.
GOOGLE_READS_IT = "(proto/README.md; google's Python reads it)"


class ContradictionError(Exception):
    """The facts that the author of a case states contradict the oracle."""


@dataclass(frozen=True)
class PartialCase:
    """A case without its expected values.

    Attributes:
        name: The name within the topic.
        message_type: The full name of the message type.
        json: The payload as JSON; ``None`` if it is binary.
        binary: The payload in binary; ``None`` if it is JSON.
        broken: The rules that the payload breaks; ``None`` if the case does not test them.
        decode_error: The reason why the payload is invalid; ``None`` if it is valid. Ends with
            `GOOGLE_READS_IT` if google's library violates the specification and reads it.
        reason: The purpose of the case, if its name does not state it.
    """

    name: str
    message_type: str
    json: bytes | None = None
    binary: bytes | None = None
    broken: frozenset[oracle.Broken] | None = frozenset()
    decode_error: str | None = None
    reason: str = ""


def of_message(
    name: str,
    message: Message,
    broken: Iterable[oracle.Broken] = (),
    *,
    as_binary: bool = False,
    reason: str = "",
) -> PartialCase:
    """Return a partial case for a message, as ProtoJSON if the message can be written as such."""
    full_name = message.DESCRIPTOR.full_name
    if not as_binary:
        try:
            value = json_format.MessageToDict(message)
        except (json_format.SerializeToJsonError, ValueError):
            pass
        else:
            return PartialCase(
                name, full_name, json=compact(value), broken=frozenset(broken), reason=reason
            )
    data = message.SerializeToString(deterministic=True)
    return PartialCase(name, full_name, binary=data, broken=frozenset(broken), reason=reason)


def complete(topic: str, cases: Iterable[PartialCase]) -> v1.Suite:
    """Return a suite with the expected values of each case.

    Raises:
        ContradictionError: The author contradicts the oracle, or a name is not unique.
    """
    suite = v1.Suite(topic=topic)
    seen: set[str] = set()
    for partial in cases:
        if partial.name in seen:
            raise ContradictionError(f"{topic}/{partial.name}: duplicate name")
        seen.add(partial.name)
        case = suite.cases.add(name=partial.name, reason=partial.reason)
        case.request.message_type = partial.message_type
        if partial.json is not None:
            case.request.json = partial.json
        else:
            case.request.binary = partial.binary or b""
        case.expected.CopyFrom(expected(f"{topic}/{partial.name}", case.request, partial))
    return suite


def expected(name: str, request: v1.EvaluateRequest, partial: PartialCase) -> v1.EvaluateResponse:
    """Return the expected response for a payload.

    Raises:
        ContradictionError: The author of the case contradicts the oracle.
    """
    found = oracle.expected(request)
    if partial.decode_error is not None:
        is_read = found.WhichOneof("outcome") == "evaluation"
        if is_read != partial.decode_error.endswith(GOOGLE_READS_IT):
            raise ContradictionError(
                f"{name}: the oracle {'can' if is_read else 'cannot'} decode the payload, but the"
                f" case states: {partial.decode_error}"
            )
        return v1.EvaluateResponse(decode_error=partial.decode_error)
    if found.WhichOneof("outcome") == "decode_error":
        raise ContradictionError(f"{name}: decode error: {found.decode_error}")
    rules = found.evaluation.broken_rules.rules
    broken = {(rule.path, rule.rule_id) for rule in rules}
    if partial.broken is not None and broken != partial.broken:
        raise ContradictionError(
            f"{name}: the broken rules are {sorted(broken)}, not {sorted(partial.broken)}"
        )
    return found


def complete_handwritten(suite: v1.Suite) -> v1.Suite:
    """Return a handwritten suite with the missing expected values.

    The author of a case states whether the payload is valid, and which rules it breaks. Any other
    expected value that the author states must agree with the oracle.

    Raises:
        ContradictionError: The author contradicts the oracle.
    """
    made = v1.Suite(topic=suite.topic)
    for case in suite.cases:
        name = f"{suite.topic}/{case.name}"
        given = case.expected
        is_invalid = given.WhichOneof("outcome") == "decode_error"
        partial = PartialCase(
            case.name,
            case.request.message_type,
            broken=frozenset(
                (rule.path, rule.rule_id) for rule in given.evaluation.broken_rules.rules
            ),
            decode_error=given.decode_error if is_invalid else None,
        )
        if not case.reason:
            raise ContradictionError(f"{name}: a handwritten case needs a reason")
        found = expected(name, case.request, partial)
        for field, value in given.evaluation.ListFields():
            known = getattr(found.evaluation, field.name)
            same = (
                json.loads(value) == json.loads(known) if field.name == "json" else value == known
            )
            if field.name != "broken_rules" and not same:
                raise ContradictionError(f"{name}: {field.name} is {known!r}")
        copy = made.cases.add()
        copy.CopyFrom(case)
        copy.expected.CopyFrom(found)
    return made
