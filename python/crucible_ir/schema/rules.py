"""The rules that the schema declares for each message as protovalidate options.

The descriptors carry the options as bytes. The ids and texts of the standard rules come from the
schema of the options, which is part of `protovalidate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    timestamp_pb2,
)

from crucible_ir.schema.fields import Field, Kind, fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
    from google.protobuf.message import Message

#: A rule's parameter as a Python value: durations and timestamps as JSON strings, lists as tuples.
Parameter: TypeAlias = bool | int | float | str | bytes | tuple[Any, ...]

#: The meaning of the standard rules that are not written in CEL and so have no text of their own.
_NATIVE = {
    "required": "must be set, and a field without presence must not be zero or empty",
    "enum.defined_only": "value must be one of the defined enum values",
    "any.in": "type URL must be in the allow list",
    "any.not_in": "type URL must not be in the block list",
}

_HAS = re.compile(r"(!?)has\(rules\.(\w+)\)")
_BOUNDS = re.compile(r"rules\.(\w+) (<|>=) rules\.(\w+)")
_TEXT = re.compile(r"\?\s*'([^']*)'(?:\.format\(\[(.*?)\]\)\s*:)?")
_PLACEHOLDER = re.compile("%[sdx]")
_ARGUMENT = re.compile(r"rules\.(\w+)|getField\(rules, '(\w+)'\)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that a message type declares.

    Attributes:
        message_type: The full name of the message type.
        field_path: The field or oneof that the rule applies to, ``tags[]`` for each item of a list
            and ``weights{key}`` or ``weights{value}`` for the entries of a map; empty for a rule of
            the message itself.
        rule_id: The id in violations of the rule.
        parameters: The rule's parameters by name, such as ``{"gte": 0.0, "lte": 1.0}``.
        description: The requirement, in the words of a violation.
        meaning: The same with the parameters' names in place of their values.
    """

    message_type: str
    field_path: str
    rule_id: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    description: str = ""
    meaning: str = ""

    @property
    def exclusive_fields(self) -> tuple[str, ...]:
        """The fields of which at most one may be set; empty for every rule but `message.oneof`."""
        fields: Any = self.parameters["fields"] if self.rule_id == "message.oneof" else ()
        return tuple(fields)


def is_closed_vocabulary(field: FieldDescriptor) -> bool:
    """Return whether a field, or its items, accepts only defined numbers of its enum."""
    names = (field.name, f"{field.name}[]")
    owner = cast("Descriptor", field.containing_type)
    return any(
        rule.rule_id == "enum.defined_only" and rule.field_path in names for rule in rules_of(owner)
    )


@cache
def rules_of(message: Descriptor) -> tuple[Rule, ...]:
    """Return the rules that a message type declares, without those of the messages in its fields.

    >>> from crucible_ir import v1
    >>> [(rule.field_path, rule.rule_id) for rule in rules_of(v1.Choice.DESCRIPTOR)]
    [('index', 'int32.gte'), ('finish_reason', 'enum.defined_only')]
    """
    return tuple(_message_rules(message))


def _message_rules(message: Descriptor) -> Iterator[Rule]:
    name = message.full_name
    if message.has_options:
        declared = message_rules(message)
        yield from _cel_rules(name, "", declared)
        for group in declared.oneof:
            fields = ", ".join(group.fields)
            words = f"only one of {fields} can be set"
            if group.required:
                words = f"one of {fields} must be set"
            parameters = {"fields": tuple(group.fields), "required": group.required}
            yield Rule(name, "", "message.oneof", parameters, words, words)
    for oneof in message.oneofs:
        if oneof.has_options:
            declared = oneof_rules(oneof)
            if declared.required:
                words = required_text(message, oneof.name)
                yield _native(name, oneof.name, "required", "required", words)
    for member in message.fields:
        if member.has_options:
            declared = field_rules(member)
            words = required_text(message, member.name)
            yield from _field_rules(name, member.name, declared, words)


def standard_meaning(rule_id: str) -> str | None:
    """Return the meaning of a standard rule, whether or not the schema declares it.

    >>> standard_meaning("string.min_len")
    'must be at least <min_len> characters'
    """
    if rule_id in _NATIVE:
        return _NATIVE[rule_id]
    kinds = _rule_schema().FindMessageTypeByName("buf.validate.FieldRules").fields_by_name
    kind = kinds.get(rule_id.partition(".")[0])
    options = [] if kind is None or kind.message_type is None else kind.message_type.fields
    for option in options:
        predefined = _read(option, "google.protobuf.FieldOptions", "buf.validate.predefined")
        for cel in predefined.cel:
            if cel.id == rule_id:
                template, names = _text(cel)
                return _fill(template, [f"<{name}>" for name in names])
    return None


def upper_bound(field: Field) -> Parameter | None:
    """Return the greatest value that the rules of a field allow, if they have one.

    >>> from crucible_ir import v1
    >>> upper_bound(fields_of(v1.TrainingConfig.DESCRIPTOR)["validation_split"])
    1.0
    """
    bounds = (
        rule.parameters.get("lte")
        for rule in rules_of(field.descriptor.containing_type)
        if re.split(r"[\[{]", rule.field_path)[0] == field.name
    )
    return next((bound for bound in bounds if bound is not None), None)


@cache
def required_text(message: Descriptor, name: str) -> str:
    """Return the requirement of a ``required`` field or oneof, in the words of a violation."""
    oneof = message.oneofs_by_name.get(name)
    if oneof is not None:
        members = ", ".join(member.name for member in oneof.fields)
        return f"exactly one of {members} must be set"
    field = fields_of(message).get(name)
    if field is None or field.has_presence or field.is_map:
        return "must be set"
    return "must not be empty" if field.kind in (Kind.STRING, Kind.BYTES) else "must be set"


def _field_rules(name: str, path: str, declared: Any, required: str) -> Iterator[Rule]:
    if declared.ignore == _constant("buf.validate.Ignore", "IGNORE_ALWAYS"):
        return
    yield from _cel_rules(name, path, declared)
    if declared.required:
        yield _native(name, path, "required", "required", required)
    kind = declared.WhichOneof("type")
    if kind is None:
        return
    standard = getattr(declared, kind)
    for option, value in standard.ListFields():
        if option.name in INNER_RULES:
            yield from _field_rules(name, path + INNER_RULES[option.name], value, required)
        elif value is not False or option.name == "const":
            yield from _standard_rules(name, path, kind, option, standard)


#: The suffix of the path of a list or map for the rules of its parts.
INNER_RULES = {"items": "[]", "keys": "{key}", "values": "{value}"}


def _standard_rules(
    name: str, path: str, kind: str, option: FieldDescriptor, standard: Message
) -> Iterator[Rule]:
    native = f"{kind}.{option.name}"
    if native in _NATIVE:
        values = {option.name: _parameter(standard, option.name)}
        yield Rule(name, path, native, values, _NATIVE[native], _NATIVE[native])
        return
    predefined = _read(option, "google.protobuf.FieldOptions", "buf.validate.predefined")
    for cel in predefined.cel:
        if option.name != "example" and _applies(cel.expression, standard):
            template, names = _text(cel)
            values = {used: _parameter(standard, used) for used in names or [option.name]}
            yield Rule(
                name,
                path,
                cel.id,
                values,
                _fill(template, _formatted(template, [values[used] for used in names])),
                _fill(template, [f"<{used}>" for used in names]),
            )


def _cel_rules(name: str, path: str, declared: Any) -> Iterator[Rule]:
    written = [(cel.id, cel.message, cel.expression) for cel in declared.cel]
    written += [(expression, "", expression) for expression in declared.cel_expression]
    for rule_id, message, expression in written:
        words = message or f'"{expression}" returned false'
        yield Rule(name, path, rule_id, {"expression": expression}, words, words)


def _native(name: str, path: str, rule_id: str, option: str, words: str) -> Rule:
    return Rule(name, path, rule_id, {option: True}, words, _NATIVE[rule_id])


def _applies(expression: str, standard: Message) -> bool:
    """Return whether a standard rule is the one for this combination of bounds.

    A lower bound has one rule for use without an upper bound and one for each upper bound that can
    go with it; the expression of each rule tests for its combination.
    """
    for negation, name in _HAS.findall(expression):
        is_bound = standard.DESCRIPTOR.fields_by_name[name].containing_oneof is not None
        if is_bound and standard.HasField(name) == bool(negation):
            return False
    for left, sign, right in _BOUNDS.findall(expression):
        below = _ordered(getattr(standard, left)) < _ordered(getattr(standard, right))
        if below != (sign == "<"):
            return False
    return True


def _ordered(bound: Any) -> Any:
    return (bound.seconds, bound.nanos) if hasattr(bound, "seconds") else bound


def _text(cel: Any) -> tuple[str, list[str]]:
    """Return the text of a rule's violation, and the parameters for its placeholders."""
    if cel.message:
        return cel.message, []
    found = _TEXT.search(cel.expression)
    if found is None:
        return cel.expression, []
    return found[1], [bare or quoted for bare, quoted in _ARGUMENT.findall(found[2] or "")]


def _formatted(template: str, values: list[Parameter]) -> list[str]:
    """Return parameters as text for the placeholders of a template."""
    return [
        value.hex() if placeholder == "%x" and isinstance(value, bytes) else _shown(value)
        for placeholder, value in zip(_PLACEHOLDER.findall(template), values, strict=True)
    ]


def _fill(template: str, values: list[str]) -> str:
    pieces = _PLACEHOLDER.split(template)
    return pieces[0] + "".join(map("".join, zip(values, pieces[1:], strict=True)))


def _parameter(standard: Message, name: str) -> Parameter:
    value = getattr(standard, name)
    if standard.DESCRIPTOR.fields_by_name[name].is_repeated:
        return tuple(map(_single_parameter, value))
    return _single_parameter(value)


def _single_parameter(value: Any) -> Parameter:
    single: Parameter = value.ToJsonString() if hasattr(value, "ToJsonString") else value
    return single


def _shown(value: Parameter) -> str:
    """Return a parameter as CEL's ``format`` writes it: whole numbers without a decimal point."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def message_rules(message: Descriptor) -> Any:
    """Return the ``buf.validate.MessageRules`` of a message of any descriptor pool."""
    return _read(message, "google.protobuf.MessageOptions", "buf.validate.message")


def oneof_rules(oneof: OneofDescriptor) -> Any:
    """Return the ``buf.validate.OneofRules`` of a oneof."""
    return _read(oneof, "google.protobuf.OneofOptions", "buf.validate.oneof")


def field_rules(field: FieldDescriptor) -> Any:
    """Return the ``buf.validate.FieldRules`` of a field."""
    return _read(field, "google.protobuf.FieldOptions", "buf.validate.field")


def _read(
    declared: Descriptor | FieldDescriptor | OneofDescriptor, options: str, extension: str
) -> Any:
    """Return the rules in a descriptor's options, where they are unknown fields."""
    pool = _rule_schema()
    known = message_factory.GetMessageClass(pool.FindMessageTypeByName(options))
    parsed: Any = known.FromString(declared.GetOptions().SerializeToString())
    return parsed.Extensions[pool.FindExtensionByName(extension)]


def _constant(enum: str, name: str) -> int:
    number: int = _rule_schema().FindEnumTypeByName(enum).values_by_name[name].number
    return number


@cache
def _rule_schema() -> descriptor_pool.DescriptorPool:
    """Return a private pool with the schema of the rules, which must not be in the global one."""
    # Imported here because it takes longer than the rest of the package together.
    import protovalidate

    pool = descriptor_pool.DescriptorPool()
    for needed in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        pool.AddSerializedFile(needed.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(protovalidate.ViolationPb.desc().file.proto.to_binary())
    return pool
