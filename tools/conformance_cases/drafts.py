"""Drafts: cases without their expected values, and what their author knows about them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.message import Message

from conformance_cases import truth
from conformance_cases.layout import compact
from crucible_ir.conformance import v1

#: How the reason of a refusal ends that google's Python library does not know of: the
#: specification decides, and it asks for the refusal.
GOOGLE_READS_IT = "(proto/README.md; google's Python reads it)"


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
        broken: The rules that the author broke; ``None`` where the case is not about them.
        refused: Why the payload cannot be read; ``None`` where it can. Ends with `GOOGLE_READS_IT`
            where google's library departs from the specification and reads it.
        reason: Why the case exists, where its name does not say it.
    """

    name: str
    message_type: str
    json: bytes | None = None
    binary: bytes | None = None
    broken: frozenset[truth.Broken] | None = frozenset()
    refused: str | None = None
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
        case.expected.CopyFrom(expected(f"{topic}/{draft.name}", case.request, draft))
    return suite


def expected(name: str, request: v1.EvaluateRequest, draft: Draft) -> v1.EvaluateResponse:
    """Return the truth about a payload, held against what the author of the case knows.

    Raises:
        ContradictionError: They do not agree.
    """
    found = truth.expected(request)
    if draft.refused is not None:
        is_read = found.WhichOneof("outcome") == "evaluation"
        if is_read != draft.refused.endswith(GOOGLE_READS_IT):
            raise ContradictionError(
                f"{name}: {'can' if is_read else 'cannot'} be read, though: {draft.refused}"
            )
        return v1.EvaluateResponse(decode_error=draft.refused)
    if found.WhichOneof("outcome") == "decode_error":
        raise ContradictionError(f"{name}: cannot be read: {found.decode_error}")
    rules = found.evaluation.broken_rules.rules
    broken = {(rule.path, rule.rule_id) for rule in rules}
    if draft.broken is not None and broken != draft.broken:
        raise ContradictionError(f"{name}: broken are {sorted(broken)}, not {sorted(draft.broken)}")
    return found


def complete_by_hand(suite: v1.Suite) -> v1.Suite:
    """Return a suite that people wrote, with what they left out of the expected values.

    Of each case the author says whether the payload can be read, and which rules it breaks; what
    else the author says of it has to agree with the truth.

    Raises:
        ContradictionError: The truth is another.
    """
    made = v1.Suite(topic=suite.topic)
    for case in suite.cases:
        name = f"{suite.topic}/{case.name}"
        given = case.expected
        is_refused = given.WhichOneof("outcome") == "decode_error"
        draft = Draft(
            case.name,
            case.request.message_type,
            broken=frozenset(
                (rule.path, rule.rule_id) for rule in given.evaluation.broken_rules.rules
            ),
            refused=given.decode_error if is_refused else None,
        )
        if not case.reason:
            raise ContradictionError(f"{name}: a case that people wrote says why it exists")
        found = expected(name, case.request, draft)
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
