"""Comparison of an executor's answer with the expected result of a case."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from crucible_ir.conformance import v1
from crucible_ir.schema.fields import Cardinality, Kind
from crucible_ir.schema.types import message_type
from crucible_ir.schema.unknown_fields import show_all_entries
from crucible_ir.schema.vocabulary import names
from crucible_ir.schema.walk import set_fields, walk

#: The aspect that every executor has: whether the payload can be decoded.
DECODE: Final = "decode"


#: The aspects that an executor may offer, by enum number: ``binary``, ``json`` and so on.
OFFERED_ASPECTS: Final = names(v1.Aspect.DESCRIPTOR)

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
    if not same_message(*_comparable(expected, message)):
        yield Difference("binary", _show_message(expected), _show_message(message))


def _comparable(*messages: Message) -> tuple[Message, ...]:
    """Return messages as they are compared: where one has hidden entries, no unknown fields."""
    shown = tuple(map(show_all_entries, messages))
    if shown == messages:
        return messages
    for message in shown:
        message.DiscardUnknownFields()
    return shown


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


def _compare_outcome(
    aspect: str,
    oneof: Any,
    value: Callable[[v1.Evaluation], object],
    case: v1.Case,
    got: v1.Evaluation,
) -> Iterator[Difference]:
    """Yield a difference if the outcomes of an aspect are different ones, or their values differ.

    Args:
        aspect: The aspect.
        oneof: The oneof with its outcomes.
        value: Returns the value to compare, and the same one for all errors.
        case: The case.
        got: The evaluation of the executor.
    """
    expected = case.expected.evaluation
    is_same = got.WhichOneof(oneof) == expected.WhichOneof(oneof) and value(got) == value(expected)
    if not is_same:
        yield Difference(aspect, _describe(expected, oneof), _describe(got, oneof))


def _compare_json(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    try:
        yield from _compare_outcome("json", "json_outcome", _json_value, case, got)
    except ValueError as error:
        expected = case.expected.evaluation.json
        yield Difference("json", expected, f"invalid JSON, {error}: {got.json}")
    except RecursionError:
        yield Difference("json", case.expected.evaluation.json, got.json)


def _json_value(evaluation: v1.Evaluation) -> Any:
    return parse_json(evaluation.json) if evaluation.HasField("json") else None


def parse_json(text: str) -> Any:
    """Parse JSON text strictly, into values that are equal if and only if the JSON is the same.

    Each number is a double in a tuple, since ``1`` would equal ``true``.

    Raises:
        ValueError: The text is not JSON, or an object has a duplicate key.

    >>> parse_json('{"a": [1, true]}')
    {'a': [(1.0,), True]}
    >>> parse_json("1.0") == parse_json("1"), parse_json("1") == parse_json("true")
    (True, False)
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("an object has a duplicate key")
        return made

    def reject(name: str) -> float:
        raise ValueError(f"{name} is not a JSON number")

    def number(digits: str) -> tuple[float]:
        return (float(digits),)

    return json.loads(
        text,
        object_pairs_hook=unique,
        parse_int=number,
        parse_float=number,
        parse_constant=reject,
    )


def _rules(evaluation: v1.Evaluation) -> frozenset[tuple[str, str]]:
    return frozenset((rule.path, rule.rule_id) for rule in evaluation.broken_rules.rules)


def _show_rules(evaluation: v1.Evaluation) -> str:
    found = sorted(_rules(evaluation))
    return (
        ", ".join(f"{path}: {rule}" if path else rule for path, rule in found) or "no broken rules"
    )


def _describe(evaluation: v1.Evaluation, oneof: Any) -> str:
    outcome = evaluation.WhichOneof(oneof)
    if outcome is None:
        return "nothing, although the executor offers the aspect"
    if outcome == "broken_rules":
        return _show_rules(evaluation)
    value: str = getattr(evaluation, outcome)
    return f"an error: {value}" if outcome.endswith("_error") else value


_COMPARISONS: Final[dict[str, Callable[[v1.Case, v1.Evaluation], Iterator[Difference]]]] = {
    "binary": _compare_binary,
    "json": _compare_json,
    "violations": partial(_compare_outcome, "violations", "rules_outcome", _rules),
    "digest": partial(_compare_outcome, "digest", "digest_outcome", lambda each: each.digest),
}
