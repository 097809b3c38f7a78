"""Drafts: cases without their expected values, and what their author knows about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.message import Message

from conformance_cases import truth
from conformance_cases.layout import compact
from crucible_ir.conformance import v1


class ContradictionError(Exception):
    """The author of a case and the independent truth do not agree."""


@dataclass(frozen=True)
class Draft:
    """A case in the making.

    Attributes:
        name: Its name within the topic.
        message_type: The full name of the message type.
        json: The payload, or
        binary: the payload.
        broken: The rules that the author broke; ``None`` where the payload cannot be read.
        reason: Why the case exists, where its name does not say it.
    """

    name: str
    message_type: str
    json: bytes | None = None
    binary: bytes | None = None
    broken: frozenset[truth.Broken] | None = frozenset()
    reason: str = ""


def of_message(
    name: str,
    message: Message,
    broken: Iterable[truth.Broken] = (),
    *,
    as_binary: bool = False,
    reason: str = "",
) -> Draft:
    """Return the draft of a case about a message, as ProtoJSON where that can write it."""
    full_name = message.DESCRIPTOR.full_name
    if not as_binary:
        try:
            plain = json_format.MessageToDict(message)
        except (json_format.SerializeToJsonError, ValueError):
            pass
        else:
            return Draft(
                name, full_name, json=compact(plain), broken=frozenset(broken), reason=reason
            )
    data = message.SerializeToString(deterministic=True)
    return Draft(name, full_name, binary=data, broken=frozenset(broken), reason=reason)


def complete(topic: str, drafts: Iterable[Draft]) -> v1.Suite:
    """Give each draft its expected values.

    Raises:
        ContradictionError: The truth is another than the author thought, or a name is used twice.
    """
    suite = v1.Suite(topic=topic)
    seen: set[str] = set()
    for draft in drafts:
        if draft.name in seen:
            raise ContradictionError(f"{topic}/{draft.name}: there are two of this name")
        seen.add(draft.name)
        case = suite.cases.add(name=draft.name, reason=draft.reason)
        case.request.message_type = draft.message_type
        if draft.json is not None:
            case.request.json = draft.json
        else:
            case.request.binary = draft.binary or b""
        case.expected.CopyFrom(truth.expected(case.request))
        check(f"{topic}/{draft.name}", case.expected, draft.broken)
    return suite


def check(name: str, expected: v1.EvaluateResponse, broken: frozenset[truth.Broken] | None) -> None:
    """Hold the truth about a case against what its author knows.

    Raises:
        ContradictionError: They do not agree.
    """
    if expected.WhichOneof("outcome") == "decode_error":
        if broken is not None:
            raise ContradictionError(f"{name}: cannot be read: {expected.decode_error}")
        return
    if broken is None:
        raise ContradictionError(f"{name}: can be read: {expected.evaluation}")
    rules = expected.evaluation.broken_rules.rules
    found = {(rule.path, rule.rule_id) for rule in rules}
    if found != broken:
        raise ContradictionError(f"{name}: broken are {sorted(found)}, not {sorted(broken)}")
