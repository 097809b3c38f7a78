"""Write the tables of the native core: the schema and its rules in the format of tables.proto.

It prints the rules that the tables cannot express, whose messages are never certainly valid.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crucible_ir import v1
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.schema import vocabulary
from generate_guards import protovalidate_file
from guard_generator.module import optional_fields
from guard_generator.rules import RuleReader, UnsupportedRuleError, set_rules
from native_tables import cel, crucible, rules
from native_tables.format import VERSION, message_classes

#: The tables for the crate, and the same bytes for the Python package.
PATHS = ("native/core/tables.binpb", "python/crucible_ir/schema/tables.binpb")

#: The packages of the message types that documents and requests have.
PACKAGES = (v1, exchange_v1)

#: The packages whose messages have rules of the schema.
OWN_PREFIX = "crucible_ir."


def files() -> dict[str, bytes]:
    """Return the tables, by the paths of their files."""
    tables = TableWriter().write()
    data = tables.SerializeToString(deterministic=True)
    return dict.fromkeys(PATHS, data)


class TableWriter:
    """Writes the tables of every message type that a document or request can contain."""

    def __init__(self) -> None:
        self._rules = RuleReader(protovalidate_file())
        self._tables: Any = message_classes()["Tables"](version=VERSION)
        self._messages: dict[str, int] = {}
        self._enums: dict[str, int] = {}
        self._waiting: list[Descriptor] = []

    def write(self) -> Any:
        """Return the tables."""
        for package in PACKAGES:
            for name in sorted(package.__all__):
                descriptor = getattr(package, name).DESCRIPTOR
                if isinstance(descriptor, Descriptor):
                    self._message(descriptor)
        while self._waiting:
            self._write_message(self._waiting.pop(0))
        return self._tables

    def _message(self, message: Descriptor) -> int:
        """Return the index of a message type, which is written later."""
        if message.full_name not in self._messages:
            self._messages[message.full_name] = len(self._tables.messages)
            self._tables.messages.add(name=message.full_name)
            self._waiting.append(message)
        return self._messages[message.full_name]

    def _enum(self, enum: EnumDescriptor) -> int:
        if enum.full_name not in self._enums:
            self._enums[enum.full_name] = len(self._tables.enums)
            table = self._tables.enums.add(name=enum.full_name)
            for value in enum.values:
                table.values.add(number=value.number, name=value.name)
            for name, number in vocabulary.numbers(enum).items():
                table.short_names.add(number=number, name=name)
        return self._enums[enum.full_name]

    def _write_message(self, message: Descriptor) -> None:
        table = self._tables.messages[self._messages[message.full_name]]
        fields = sorted(message.fields, key=lambda field: field.number)
        indexes = {field.name: index for index, field in enumerate(fields)}
        optional = optional_fields(message)
        for field in fields:
            self._write_field(field, table.fields.add(), is_optional=field.name in optional)
        if not message.full_name.startswith(OWN_PREFIX):
            return
        self._write_crucible(message, indexes, table)
        try:
            for field in fields:
                target = table.fields[indexes[field.name]]
                rules.add_field_rules(field, self._rules.of_field(field), target)
            for tests in self._clauses(message, indexes):
                clause = table.clauses.add()
                for index, kind, value in tests:
                    clause.tests.add(field=index, kind=kind, value=value)
        except UnsupportedRuleError as error:
            table.unsure = True
            print(
                f"native tables: left to protovalidate: {message.full_name}: {error}",
                file=sys.stderr,
            )

    def _write_crucible(self, message: Descriptor, indexes: dict[str, int], table: Any) -> None:
        if message.full_name not in crucible.described_types():
            return
        try:
            crucible.describe(message, indexes, table.crucible)
            table.crucible.SetInParent()
        except crucible.UnsupportedError as error:
            table.ClearField("crucible")
            print(
                f"native tables: Crucible JSON left to Python: {message.full_name}: {error}",
                file=sys.stderr,
            )

    def _write_field(self, field: FieldDescriptor, table: Any, *, is_optional: bool) -> None:
        entry = field.message_type
        is_map = entry is not None and entry.GetOptions().map_entry
        table.number = field.number
        table.type = field.type
        table.cardinality = 2 if is_map else 1 if field.is_repeated else 0
        table.presence = field.has_presence
        table.name = field.name
        table.json_name = field.json_name
        table.packed = field.is_packed
        if field.message_type is not None:
            table.message = self._message(field.message_type)
        if field.enum_type is not None:
            table.enum = self._enum(field.enum_type)
        oneof = field.containing_oneof
        if oneof is not None and not is_optional:
            table.oneof = oneof.index + 1

    def _clauses(
        self, message: Descriptor, indexes: dict[str, int]
    ) -> Iterator[list[tuple[int, str, int]]]:
        """Yield the rules on several fields."""
        for oneof in message.oneofs:
            if dict(set_rules(self._rules.of_oneof(oneof))).get("required", False):
                yield [(indexes[field.name], "KIND_SET", 0) for field in oneof.fields]
        for rule, value in set_rules(self._rules.of_message(message)):
            if rule == "cel":
                expressions = [declared.expression for declared in value]
            elif rule == "cel_expression":
                expressions = list(value)
            elif rule == "oneof":
                for group in value:
                    chosen = [indexes[name] for name in group.fields]
                    yield from rules.exclusive_clauses(chosen, required=group.required)
                continue
            else:
                raise UnsupportedRuleError(f"message.{rule}")
            for expression in expressions:
                tests = cel.clause(expression, message)
                yield [(indexes[field.name], kind, number) for field, kind, number in tests]
