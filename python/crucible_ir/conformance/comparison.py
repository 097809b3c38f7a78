"""Comparison of an executor's answer with the expected result of a case."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError, Message

from crucible_ir.conformance import v1
from crucible_ir.schema.fields import Cardinality, Kind
from crucible_ir.schema.types import message_type
from crucible_ir.schema.vocabulary import names
from crucible_ir.schema.walk import set_fields, walk

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

#: The aspect that every executor has: whether the payload can be decoded.
DECODE: Final = "decode"


def _named_aspects() -> dict[int, str]:
    enum: EnumDescriptor = v1.Aspect.DESCRIPTOR
    return names(enum)


#: The aspects that an executor may offer, by enum number: ``binary``, ``json`` and so on.
OFFERED_ASPECTS: Final = _named_aspects()

#: All aspects, in the order of comparison.
ASPECTS: Final = (DECODE, *OFFERED_ASPECTS.values())


@dataclass(frozen=True, slots=True)
class Difference:
    """An aspect in which an answer differs from the expected result.

    Attributes:
        aspect: One of `ASPECTS`.
        expected: A description of the expected value.
        got: A description of the actual value.
    """

    aspect: str
    expected: str
    got: str


def is_applicable(case: v1.Case, offered: Set[str]) -> bool:
    """Return whether a case applies to an executor that offers these aspects."""
    return case.request.WhichOneof("payload") != "json" or "json" in offered


def compared_aspects(case: v1.Case) -> tuple[str, ...]:
    """Return the aspects that a case compares: only ``decode`` if its payload is invalid."""
    return ASPECTS if case.expected.WhichOneof("outcome") == "evaluation" else (DECODE,)


def compare(case: v1.Case, answer: v1.EvaluateResponse, offered: Set[str]) -> Iterator[Difference]:
    """Yield the differences between an answer and the expected result of a case.

    Args:
        case: The case.
        answer: The executor's answer.
        offered: The aspects that the executor offers; others are not compared.
    """
    expected = case.expected
    outcome = answer.WhichOneof("outcome")
    if outcome != expected.WhichOneof("outcome"):
        yield Difference(DECODE, _describe_outcome(expected), _describe_outcome(answer))
    elif outcome == "evaluation":
        for aspect in ASPECTS:
            if aspect in offered:
                yield from _COMPARISONS[aspect](case, answer.evaluation)


def _describe_outcome(response: v1.EvaluateResponse) -> str:
    match response.WhichOneof("outcome"):
        case "decode_error":
            return f"a decode error: {response.decode_error}"
        case "evaluation":
            return "a decoded message"
        case _:
            return "neither an evaluation nor a decode error"


def _compare_binary(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    type_: Any = message_type(case.request.message_type)
    expected = type_.FromString(case.expected.evaluation.binary)
    try:
        message = type_.FromString(got.binary)
    except DecodeError as error:
        yield Difference("binary", _show_message(expected), f"invalid bytes: {error}")
        return
    if not same_message(expected, message):
        yield Difference("binary", _show_message(expected), _show_message(message))


def same_message(one: Message, other: Message) -> bool:
    """Return whether two messages are equal, including unknown fields; every NaN equals NaN."""
    if one == other:
        return True
    for message in (one, other):
        _normalize_nan(message)
    return one == other


def _normalize_nan(root: Message) -> None:
    """Give every NaN in a message the same bits, since the bits of a NaN have no meaning."""
    for _, message in walk(root):
        for _, field, value in set_fields(message):
            if field.kind not in (Kind.DOUBLE, Kind.FLOAT):
                continue
            if field.cardinality is Cardinality.SINGULAR:
                if math.isnan(value):
                    setattr(message, field.name, math.nan)
            else:
                for key in value if field.is_map else range(len(value)):
                    if math.isnan(value[key]):
                        value[key] = math.nan


def _show_message(message: Message) -> str:
    text = " ".join(str(message).split()) or "an empty message"
    return f"{text} (hex {message.SerializeToString(deterministic=True).hex()})"


def _compare_json(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    expected = case.expected.evaluation
    outcome = got.WhichOneof("json_outcome")
    if outcome == "json" and expected.WhichOneof("json_outcome") == "json":
        try:
            same = same_json(parse_json(got.json), parse_json(expected.json))
        except ValueError as error:
            yield Difference("json", expected.json, f"invalid JSON, {error}: {got.json}")
            return
        except RecursionError:
            same = False
        if not same:
            yield Difference("json", expected.json, got.json)
    elif outcome != expected.WhichOneof("json_outcome"):
        yield Difference(
            "json", _describe(expected, "json_outcome"), _describe(got, "json_outcome")
        )


def parse_json(text: str) -> Any:
    """Parse JSON text strictly, with every number as a double.

    Raises:
        ValueError: The text is not JSON, or an object has a duplicate key.

    >>> parse_json('{"a": [1, 1.0]}')
    {'a': [1.0, 1.0]}
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("an object has a duplicate key")
        return made

    def reject(name: str) -> float:
        raise ValueError(f"{name} is not a JSON number")

    return json.loads(text, object_pairs_hook=unique, parse_int=float, parse_constant=reject)


def same_json(one: Any, other: Any) -> bool:
    """Return whether two values from `parse_json` are equal; the order of keys is ignored.

    >>> same_json({"a": 1.0, "b": "1"}, {"b": "1", "a": 1.0})
    True
    >>> same_json(1.0, True)
    False
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return type(one) is type(other) and bool(one == other)


def _compare_violations(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    expected = case.expected.evaluation
    outcome = got.WhichOneof("rules_outcome")
    if outcome == "broken_rules" and expected.WhichOneof("rules_outcome") == "broken_rules":
        if _rules(expected) != _rules(got):
            yield Difference("violations", _show_rules(expected), _show_rules(got))
    elif outcome != expected.WhichOneof("rules_outcome"):
        yield Difference(
            "violations", _describe(expected, "rules_outcome"), _describe(got, "rules_outcome")
        )


def _rules(evaluation: v1.Evaluation) -> frozenset[tuple[str, str]]:
    return frozenset((rule.path, rule.rule_id) for rule in evaluation.broken_rules.rules)


def _show_rules(evaluation: v1.Evaluation) -> str:
    found = sorted(_rules(evaluation))
    return (
        ", ".join(f"{path}: {rule}" if path else rule for path, rule in found) or "no broken rules"
    )


def _compare_digest(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    expected = case.expected.evaluation
    same_outcome = got.WhichOneof("digest_outcome") == expected.WhichOneof("digest_outcome")
    if not same_outcome or got.digest != expected.digest:
        yield Difference(
            "digest", _describe(expected, "digest_outcome"), _describe(got, "digest_outcome")
        )


def _describe(evaluation: v1.Evaluation, oneof: Any) -> str:
    outcome = evaluation.WhichOneof(oneof)
    if outcome is None:
        return "nothing, although the executor offers the aspect"
    if outcome == "broken_rules":
        return _show_rules(evaluation)
    value: str = getattr(evaluation, outcome)
    return f"an error: {value}" if outcome.endswith("_error") else value


_COMPARISONS: Final = {
    "binary": _compare_binary,
    "json": _compare_json,
    "violations": _compare_violations,
    "digest": _compare_digest,
}
