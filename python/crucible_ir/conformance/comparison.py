"""Comparison: where an executor's answer differs from what a case expects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError, Message

from crucible_ir.conformance import v1
from crucible_ir.schema.types import is_map, message_of, message_type
from crucible_ir.schema.vocabulary import names

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

#: The aspect that every executor has: whether the payload can be read at all.
DECODE: Final = "decode"


def _named_aspects() -> dict[int, str]:
    enum: EnumDescriptor = v1.Aspect.DESCRIPTOR
    return names(enum)


#: The aspects that an executor may offer, by number: ``binary``, ``json`` and so on.
OFFERED_ASPECTS: Final = _named_aspects()

#: Every aspect, in the order in which they are compared.
ASPECTS: Final = (DECODE, *OFFERED_ASPECTS.values())


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect in which an answer is not what it must be.

    Attributes:
        aspect: Out of `ASPECTS`.
        expected: What must come out, for people.
        got: What came out, for people.
    """

    aspect: str
    expected: str
    got: str


def is_asked(case: v1.Case, offered: Set[str]) -> bool:
    """Tell whether an executor that offers these aspects is to be asked about a case."""
    return case.request.WhichOneof("payload") != "json" or "json" in offered


def compared_aspects(case: v1.Case) -> tuple[str, ...]:
    """Return the aspects that a case is about: reading alone where its payload cannot be read."""
    return ASPECTS if case.expected.WhichOneof("outcome") == "evaluation" else (DECODE,)


def compare(case: v1.Case, answer: v1.EvaluateResponse, offered: Set[str]) -> Iterator[Difference]:
    """Yield the differences between an answer and what a case expects.

    Args:
        case: The case.
        answer: What the executor made of its payload.
        offered: The aspects that the executor offers; others are not compared.
    """
    expected = case.expected
    outcome = answer.WhichOneof("outcome")
    if outcome != expected.WhichOneof("outcome"):
        yield Difference(DECODE, _outcome_in_words(expected), _outcome_in_words(answer))
    elif outcome == "evaluation":
        for aspect in ASPECTS:
            if aspect in offered:
                yield from _COMPARISONS[aspect](case, answer.evaluation)


def _outcome_in_words(response: v1.EvaluateResponse) -> str:
    match response.WhichOneof("outcome"):
        case "decode_error":
            return f"cannot be read: {response.decode_error}"
        case "evaluation":
            return "can be read"
        case _:
            return "neither an evaluation nor a decode error"


def _compare_binary(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    type_: Any = message_type(case.request.message_type)
    expected = type_.FromString(case.expected.evaluation.binary)
    try:
        message = type_.FromString(got.binary)
    except DecodeError as error:
        yield Difference("binary", _shown_message(expected), f"bytes that cannot be read: {error}")
        return
    if not same_message(expected, message):
        yield Difference("binary", _shown_message(expected), _shown_message(message))


def same_message(one: Message, other: Message) -> bool:
    """Tell whether two messages say the same, unknown fields included and all NaN being one."""
    if one == other:
        return True
    for message in (one, other):
        _make_nan_one(message)
    return one == other


def _make_nan_one(message: Any) -> None:
    """Give every NaN of a message the same bits, since which ones it has says nothing."""
    for field, value in message.ListFields():
        if message_of(field) is not None:
            if is_map(field):
                held = [value[key] for key in value]
            else:
                held = list(value) if field.is_repeated else [value]
            for inner in held:
                _make_nan_one(inner)
        elif is_map(field):
            for key in value:
                if _is_nan(value[key]):
                    value[key] = math.nan
        elif field.is_repeated:
            for index, item in enumerate(value):
                if _is_nan(item):
                    value[index] = math.nan
        elif _is_nan(value):
            setattr(message, field.name, math.nan)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown_message(message: Message) -> str:
    text = " ".join(str(message).split()) or "an empty message"
    return f"{text} (hex {message.SerializeToString(deterministic=True).hex()})"


def _compare_json(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    expected = case.expected.evaluation
    outcome = got.WhichOneof("json_outcome")
    if outcome == "json" and expected.WhichOneof("json_outcome") == "json":
        try:
            same = same_json(parse_json(got.json), parse_json(expected.json))
        except ValueError as error:
            yield Difference("json", expected.json, f"no JSON, {error}: {got.json}")
            return
        except RecursionError:
            same = False
        if not same:
            yield Difference("json", expected.json, got.json)
    elif outcome != expected.WhichOneof("json_outcome"):
        yield Difference(
            "json", _in_words(expected, "json_outcome"), _in_words(got, "json_outcome")
        )


def parse_json(text: str) -> Any:
    """Parse JSON text strictly, every number as the double that it stands for.

    Raises:
        ValueError: It is no JSON, or an object has a key twice.

    >>> parse_json('{"a": [1, 1.0]}')
    {'a': [1.0, 1.0]}
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("an object has a key twice")
        return made

    def refuse(name: str) -> float:
        raise ValueError(f"{name} is no number of JSON")

    return json.loads(text, object_pairs_hook=unique, parse_int=float, parse_constant=refuse)


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two values from `parse_json` are the same, whatever the order of keys.

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
            yield Difference("violations", _shown_rules(expected), _shown_rules(got))
    elif outcome != expected.WhichOneof("rules_outcome"):
        yield Difference(
            "violations", _in_words(expected, "rules_outcome"), _in_words(got, "rules_outcome")
        )


def _rules(evaluation: v1.Evaluation) -> frozenset[tuple[str, str]]:
    return frozenset((rule.path, rule.rule_id) for rule in evaluation.broken_rules.rules)


def _shown_rules(evaluation: v1.Evaluation) -> str:
    found = sorted(_rules(evaluation))
    return ", ".join(f"{path}: {rule}" if path else rule for path, rule in found) or "none broken"


def _compare_digest(case: v1.Case, got: v1.Evaluation) -> Iterator[Difference]:
    expected = case.expected.evaluation
    same_outcome = got.WhichOneof("digest_outcome") == expected.WhichOneof("digest_outcome")
    if not same_outcome or got.digest != expected.digest:
        yield Difference(
            "digest", _in_words(expected, "digest_outcome"), _in_words(got, "digest_outcome")
        )


def _in_words(evaluation: v1.Evaluation, oneof: Any) -> str:
    outcome = evaluation.WhichOneof(oneof)
    if outcome is None:
        return "nothing, though it is offered"
    if outcome == "broken_rules":
        return _shown_rules(evaluation)
    value: str = getattr(evaluation, outcome)
    return f"an error: {value}" if outcome.endswith("_error") else value


_COMPARISONS: Final = {
    "binary": _compare_binary,
    "json": _compare_json,
    "violations": _compare_violations,
    "digest": _compare_digest,
}
