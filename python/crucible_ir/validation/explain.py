"""Explanations of rules, lints and other ids: their meaning, their declarations, and examples."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format, message_factory, text_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.errors import Error, near_miss, shorten
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.rules import Parameter, Rule, rules_of, standard_meaning
from crucible_ir.schema.types import descriptor_of, message_types
from crucible_ir.validation.other_ids import OTHER_IDS, RULE_NOTES

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.linting import Severity

#: Strings in the formats that rules require; the first is for strings without a format.
_STRINGS = (
    *("example", "1.0.0", "https://example.com", "name@example.com", "2001:db8::1"),
    "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
)

#: A string that is too long to be shown in full.
_LONG_STRING = re.compile(r'"((?:[^"\\]|\\.){60,})"')


class UnknownRuleError(Error, LookupError):
    """Nothing has the given id.

    >>> try:
    ...     _ = explain("int32.gtt")
    ... except UnknownRuleError as error:
    ...     print(error)
    no rule or lint has the id 'int32.gtt'; did you mean "int32.gt"?
    """


@dataclass(frozen=True, slots=True)
class Declaration:
    """One place of the schema that declares a rule.

    Attributes:
        path: The message type and the field, as ``TrainingConfig.epochs``; the message type alone
            for a rule of the message itself.
        parameters: The rule's parameters there.
        description: The requirement there.
    """

    path: str
    parameters: Mapping[str, Parameter]
    description: str

    @property
    def requirement(self) -> str:
        """The requirement there, with the expression of a rule that is written in CEL."""
        expression = self.parameters.get("expression")
        return (
            f"{self.description}: {expression}" if isinstance(expression, str) else self.description
        )


@dataclass(frozen=True, slots=True)
class Example:
    """An example for a rule or lint; as text, the message's type and its ProtoJSON.

    Attributes:
        message: The message; never change it.
    """

    message: Message

    def __str__(self) -> str:
        return f"{self.message.DESCRIPTOR.name} {_LONG_STRING.sub(_shortened, _text(self.message))}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a rule, a lint or another id of an error.

    Attributes:
        id: The id.
        severity: The severity of a lint; ``None`` for everything else.
        meaning: The requirement, with a rule's parameters in angle brackets.
        declarations: Every place of the schema that declares the rule; none for other ids.
        failing: A message that only this rule or lint objects to; ``None`` for other ids.
        passing: The corrected message.
        kind: What has the id: ``rule``, ``lint``, ``error``, ``limit`` and so on.
        notes: More about it, a line each.

    >>> explanation = explain("ensemble.weights_sum")
    >>> explanation.kind, str(explanation.severity)
    ('lint', 'info')
    """

    id: str
    severity: Severity | None
    meaning: str
    declarations: tuple[Declaration, ...]
    failing: Example | None
    passing: Example | None
    kind: str = "rule"
    notes: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """The section of the documentation site about it, from the site's root.

        >>> explain("double.gte").page, explain("ensemble.weights_sum").page
        ('rules.html#double-gte', 'lints.html#ensemble-weights-sum')
        """
        if self.kind == "standard rule":
            return "rules.html#rules-of-requests"
        name = "rules" if self.severity is None else "lints"
        return f"{name}.html#{re.sub('[^a-z0-9]+', '-', self.id.lower())}"

    def __str__(self) -> str:
        kind = self.kind if self.severity is None else f"{self.kind}, {self.severity}"
        blocks = [f"{self.id} ({kind})\n  {self.meaning}"]
        if self.declarations:
            blocks.append("Declared by\n" + "\n".join(_grouped(self.declarations)))
        if self.failing is not None and self.passing is not None:
            blocks.append(f"Fails   {self.failing}\nPasses  {self.passing}")
        if self.notes:
            blocks.append("\n".join(self.notes))
        return "\n\n".join(blocks)


def explain(rule_id: str) -> Explanation:
    """Explain a rule of the schema, a lint, or any other id that an error has.

    Raises:
        UnknownRuleError: Nothing has this id; the error suggests the nearest one.

    >>> explain("double.gte").meaning
    'must be greater than or equal to <gte>'
    >>> print(explain("double.gte").passing)
    Hedging {"budget_percent": 1.0}
    """
    # Imported here, since most explanations are of rules.
    from crucible_ir.linting import LINTS

    if rule_id in _rules_by_id():
        return _explain_rule(rule_id)
    if rule_id in LINTS:
        lint = LINTS[rule_id]
        bad, good = (
            Example(json_format.ParseDict(dict(example), lint.example_type()))
            for example in (lint.bad, lint.good)
        )
        return Explanation(lint.id, lint.severity, lint.summary, (), bad, good, "lint")
    if rule_id in OTHER_IDS:
        other = OTHER_IDS[rule_id]
        return Explanation(rule_id, None, other.meaning, (), None, None, other.kind, other.notes)
    meaning = standard_meaning(rule_id)
    if meaning is not None:
        notes = ("No message of the IR has this rule; requests to an exchange may.",)
        return Explanation(rule_id, None, meaning, (), None, None, "standard rule", notes)
    hint = near_miss(rule_id, [*_rules_by_id(), *LINTS, *OTHER_IDS])
    raise UnknownRuleError(f"no rule or lint has the id {shorten(rule_id)}{hint}")


def rule_ids() -> tuple[str, ...]:
    """Return the id of every rule that the schema declares, in alphabetical order.

    These are the possible ids of a `Violation` in a message of the IR.

    >>> "required" in rule_ids(), "message.content_required" in rule_ids()
    (True, True)
    """
    return tuple(sorted(_rules_by_id()))


@cache
def _rules_by_id() -> dict[str, tuple[Rule, ...]]:
    found: dict[str, tuple[Rule, ...]] = {}
    for cls in message_types().values():
        for rule in rules_of(cls.DESCRIPTOR):
            found[rule.rule_id] = (*found.get(rule.rule_id, ()), rule)
    return found


@cache
def _explain_rule(rule_id: str) -> Explanation:
    rules = _rules_by_id()[rule_id]
    declarations = tuple(
        Declaration(_short_path(rule), rule.parameters, rule.description) for rule in rules
    )
    pairs = [pair for rule in rules if (pair := _examples(rule)) is not None]
    failing, passing = min(pairs, key=_size, default=(None, None))
    notes = RULE_NOTES.get(rule_id, ())
    return Explanation(rule_id, None, rules[0].meaning, declarations, failing, passing, notes=notes)


def _short_path(rule: Rule) -> str:
    name = rule.message_type.rpartition(".")[2]
    return f"{name}.{rule.field_path}" if rule.field_path else name


def _size(pair: tuple[Example, Example]) -> int:
    return sum(example.message.ByteSize() for example in pair)


def _text(message: Message) -> str:
    try:
        return json_format.MessageToJson(
            message, indent=None, preserving_proto_field_name=True, ensure_ascii=False
        )
    except (json_format.SerializeToJsonError, ValueError):
        # JSON cannot write a timestamp that is out of range; binary can carry it.
        return "{" + text_format.MessageToString(message, as_one_line=True) + "}"


def _grouped(declarations: tuple[Declaration, ...]) -> Iterator[str]:
    """Yield lines that list the declaring fields under each requirement."""
    paths: dict[str, list[str]] = {}
    for place in declarations:
        paths.setdefault(place.requirement, []).append(place.path)
    for requirement, declaring in paths.items():
        yield f"  {requirement}"
        yield textwrap.indent(textwrap.fill(", ".join(declaring), 92), " " * 4)


def _shortened(string: re.Match[str]) -> str:
    return f'"{string[1][:20]}…" ({len(string[1])} characters)'


def _examples(rule: Rule) -> tuple[Example, Example] | None:
    """Return a message that breaks only one rule, and the corrected message.

    The candidates come from the rule's parameters; protovalidate validates them.
    """
    base = _valid(message_types()[rule.message_type.rpartition(".")[2]].DESCRIPTOR)
    broken = (rule.field_path, rule.rule_id)
    trials: Iterable[Message] = _changes(base, _fields_at(base, rule.field_path))
    if rule.exclusive_fields:
        trials = _combined_changes(base, rule.exclusive_fields)
    for trial in trials:
        if _violations(trial) == [broken]:
            return Example(trial), Example(_repaired(trial, broken))
    return None


@cache
def _valid(message: Descriptor) -> Message:
    """Return a small valid message of a type; never change it."""
    made: Message = message_factory.GetMessageClass(message)()
    while violations := _violations(made):
        made = _repaired(made, violations[0])
    return made


def _repaired(message: Message, broken: tuple[str, str]) -> Message:
    """Return a copy of a message with one field changed so that one violation is fixed."""
    before = _violations(message)
    fields = _fields_at(message, broken[0])
    present = {field.name for field, _ in message.ListFields()}
    # If possible, a rule of the message is satisfied by setting another field.
    fields.sort(key=lambda field: field.name in present)
    for trial in _changes(message, fields):
        after = _violations(trial)
        if broken not in after and set(after) <= set(before):
            return trial
    raise AssertionError(f"{message.DESCRIPTOR.full_name}: no value satisfies {broken}")


def _violations(message: Message) -> list[tuple[str, str]]:
    """Return the path, as in `Rule.field_path`, and the id of each violation."""
    # Imported here because it takes longer than the rest of the package together.
    import protovalidate

    found = []
    for violation in protovalidate.collect_violations(message):
        proto = violation.proto
        path = ""
        for element in proto.field.elements if proto.field else ():
            path += f".{element.field_name}" if path else element.field_name
            if element.subscript is not None:
                is_index = element.subscript.field == "index"
                path += "[]" if is_index else "{key}" if proto.for_key else "{value}"
        found.append((path, proto.rule_id))
    return found


def _fields_at(message: Message, path: str) -> list[Field]:
    """Return the fields that a rule's path refers to: all of them for a rule of the message."""
    fields = fields_of(descriptor_of(message))
    name = re.split(r"\W", path)[0]
    if name in fields:
        return [fields[name]]
    return [field for field in fields.values() if field.oneof == name] or list(fields.values())


def _combined_changes(message: Message, names: Sequence[str]) -> Iterator[Message]:
    """Yield copies of a message in which all of these fields have another value."""
    if not names:
        yield message
        return
    field = fields_of(descriptor_of(message))[names[0]]
    for trial in _changes(message, [field]):
        yield from _combined_changes(trial, names[1:])


def _changes(message: Message, fields: list[Field]) -> Iterator[Message]:
    """Yield copies of a message in which one of these fields is unset or has another value."""
    rules = rules_of(descriptor_of(message))
    for field in fields:
        limits = [
            limit
            for rule in rules
            if rule.field_path.rstrip("[]") == field.name
            for limit in rule.parameters.values()
        ]
        for value in (*_values(field, limits), None):
            trial = type(message)()
            trial.CopyFrom(message)
            trial.ClearField(field.name)
            if isinstance(value, Message):
                getattr(trial, field.name).CopyFrom(value)
            elif isinstance(value, list):
                getattr(trial, field.name).extend(value)
            elif value is not None:
                try:
                    setattr(trial, field.name, value)
                except ValueError:  # The value is outside the range of the field's type.
                    continue
            yield trial


def _values(field: Field, limits: list[Parameter]) -> Iterator[Any]:
    """Yield values for a field: likely ones, then those at and near the limits of its rules."""
    if field.is_map:
        return
    if field.is_list:
        sizes = [limit for limit in limits if isinstance(limit, int) and limit is not True]
        item = next(_single_values(field, limits))
        yield from ([item] * size for limit in (1, *sizes) for size in _around(limit))
    else:
        yield from _single_values(field, limits)


def _single_values(field: Field, limits: list[Parameter]) -> Iterator[Any]:
    numbers = [limit for limit in limits if isinstance(limit, (int, float)) and limit is not True]
    if field.message is not None:
        if field.message.full_name == Timestamp.DESCRIPTOR.full_name:
            yield from _timestamps([limit for limit in limits if isinstance(limit, str)])
        else:
            yield _valid(field.message)
    elif field.enum is not None:
        known = [value.number for value in field.enum.values]
        yield from (*known[1:], max(known) + 1)
    elif field.kind is Kind.STRING:
        yield from _STRINGS
        yield from ("a" * size for limit in numbers for size in _around(int(limit)))
    elif field.kind is Kind.BYTES:
        yield from (string.encode() for string in _STRINGS)
    elif field.kind is Kind.BOOL:
        yield from (True, False)
    else:
        yield from (1, *(value for limit in numbers for value in _around(limit)))
        if field.kind in (Kind.DOUBLE, Kind.FLOAT):
            yield from (math.inf, math.nan)


def _timestamps(limits: list[str]) -> Iterator[Timestamp]:
    yield Timestamp()
    for limit in limits:
        at = Timestamp()
        at.FromJsonString(limit)
        yield from (Timestamp(seconds=second, nanos=at.nanos) for second in _around(at.seconds))


def _around(limit: Any) -> tuple[Any, Any, Any]:
    return limit, limit + 1, limit - 1
