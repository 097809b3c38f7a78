"""Changes of declarations: files, messages, fields, vocabularies, options and services."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from crucible_ir.schema.fields import default_of
from crucible_ir.schema.rules import is_closed_vocabulary
from crucible_ir.schema_changes.changes import SchemaChange, SchemaChangeKind
from crucible_ir.schema_changes.versions import SchemaVersion, pairs

if TYPE_CHECKING:
    #: The old and the new state of one aspect of a declaration, the place, and the kind of change
    #: if the two differ.
    _States: TypeAlias = tuple[SchemaChangeKind, str, object, object]

_REPEATED: Final = FieldDescriptorProto.LABEL_REPEATED
_SCALARS: Final = {
    number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()
}


def declaration_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    """Yield the changes between two versions, except those of rules and lints.

    An added or removed package is one change, regardless of its contents.
    """
    for name in old.packages - new.packages:
        yield SchemaChange(SchemaChangeKind.PACKAGE_REMOVED, name, name, old=f"package {name}")
    for name in new.packages - old.packages:
        yield SchemaChange(SchemaChangeKind.PACKAGE_ADDED, name, name, new=f"package {name}")
    yield from _file_changes(old, new)
    for what, before, after, compared in (
        ("MESSAGE", old.messages, new.messages, partial(_in_message, new)),
        ("ENUM", old.enums, new.enums, partial(_in_enum, old)),
        ("EXTENSION", old.extensions, new.extensions, _in_extension),
        ("SERVICE", old.services, new.services, _in_service),
    ):
        for name, was in before.items():
            if name in after:
                is_ = after[name]
                states = [*compared(name, was.proto, is_.proto)]
                if what in ("MESSAGE", "ENUM"):
                    moved = SchemaChangeKind[f"{what}_MOVED"]
                    states.append((moved, name, was.file.name, is_.file.name))
                yield from _changes(was.package, states)
            elif was.package in new.packages:
                kind = SchemaChangeKind[f"{what}_REMOVED"]
                yield SchemaChange(kind, was.package, name, old=was.proto.name)
        for name, is_ in after.items():
            if name not in before and is_.package in old.packages:
                kind = SchemaChangeKind[f"{what}_ADDED"]
                yield SchemaChange(kind, is_.package, name, new=is_.proto.name)


def _changes(package: str, states: Iterable[_States]) -> Iterator[SchemaChange]:
    for kind, place, was, is_ in states:
        if was != is_:
            texts = [None if state is None else str(state) for state in (was, is_)]
            yield SchemaChange(kind, package, place, *texts)


def _file_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    after = {file.name: file for file in new.own_files()}
    for file in old.own_files():
        if file.name in after:
            yield from _changes(file.package, _in_file(file.name, file, after[file.name]))
        elif file.package in new.packages:
            name = file.name
            yield SchemaChange(SchemaChangeKind.FILE_REMOVED, file.package, name, old=name)


def _in_file(name: str, was: Any, is_: Any) -> Iterator[_States]:
    kind = SchemaChangeKind.FILE_OPTION_CHANGED
    yield from _options(name, was, is_, kind)
    for attribute in ("package", "syntax", "edition"):
        before, after = (f"{attribute} = {getattr(file, attribute)}" for file in (was, is_))
        yield kind, name, before, after


def _options(
    place: str, was: Any, is_: Any, kind: SchemaChangeKind = SchemaChangeKind.OPTION_CHANGED
) -> Iterator[_States]:
    """Yield the options of protobuf, but not extensions, such as rules."""
    before, after = (
        {
            field.name: f"{field.name} = {str(value).strip()}"
            for field, value in each.options.ListFields()
            if not field.is_extension
        }
        for each in (was, is_)
    )
    for name in sorted((before.keys() | after.keys()) - {"deprecated"}):
        yield kind, place, before.get(name), after.get(name)
    if was.options.deprecated:
        marked = None if not is_.options.deprecated else "deprecated"
        yield SchemaChangeKind.NO_LONGER_DEPRECATED, place, "deprecated", marked
    elif is_.options.deprecated:
        yield SchemaChangeKind.DEPRECATED, place, None, "deprecated"


def _reservations(place: str, was: Any, is_: Any) -> Iterator[_States]:
    removed = [
        f"{first} to {last}" for first, last in _reserved(was) if not _covered(first, last, is_)
    ]
    removed += [f'"{name}"' for name in was.reserved_name if name not in is_.reserved_name]
    for reserved in removed:
        yield SchemaChangeKind.RESERVATION_REMOVED, place, reserved, None


def _reserved(declared: Any) -> list[tuple[int, int]]:
    """Return the first and last number of each range that a message or enum reserves."""
    # The ranges of an enum include their end; those of a message do not.
    beyond = 0 if isinstance(declared, EnumDescriptorProto) else 1
    return sorted((each.start, each.end - beyond) for each in declared.reserved_range)


def _covered(first: int, last: int, by: Any) -> bool:
    """Return whether the reserved ranges of a declaration cover a range."""
    for start, end in _reserved(by):
        if start <= first <= end:
            first = end + 1
    return first > last


def _in_message(
    new: SchemaVersion, message: str, was: DescriptorProto, is_: DescriptorProto
) -> Iterator[_States]:
    yield from _options(message, was, is_)
    yield from _reservations(message, was, is_)
    for before, after in pairs(was.field, is_.field):
        place = f"{message}.{(before or after).name}"
        if after is None:
            yield SchemaChangeKind.FIELD_REMOVED, place, _type_text(before, was), None
        elif before is not None:
            yield from _in_field(place, before, was, after, is_)
        else:
            kind = SchemaChangeKind.FIELD_ADDED
            if _is_required(new, message, after.name):
                kind = SchemaChangeKind.REQUIRED_FIELD_ADDED
            elif _oneof(after, is_) in {oneof.name for oneof in was.oneof_decl}:
                kind = SchemaChangeKind.ONEOF_MEMBER_ADDED
            yield kind, place, None, _type_text(after, is_)


def _is_required(version: SchemaVersion, message: str, field: str) -> bool:
    """Return whether a version rejects a message if a field is unset or empty.

    Rules other than `required` can require a field, too, such as `repeated.min_items`, and
    `string.min_len` on a field without presence. Therefore protovalidate evaluates the rules.
    """
    empty = version.message_class(message)()
    return any(path == field for path, _ in version.broken_rules(empty))


def _in_field(
    place: str,
    was: FieldDescriptorProto,
    before: DescriptorProto,
    is_: FieldDescriptorProto,
    after: DescriptorProto,
) -> Iterator[_States]:
    yield SchemaChangeKind.FIELD_RENAMED, place, was.name, is_.name
    yield SchemaChangeKind.FIELD_RENUMBERED, place, was.number, is_.number
    yield SchemaChangeKind.FIELD_RETYPED, place, _type_text(was, before), _type_text(is_, after)
    yield SchemaChangeKind.FIELD_MOVED, place, _oneof(was, before), _oneof(is_, after)
    if was.name == is_.name:
        yield SchemaChangeKind.JSON_NAME_CHANGED, place, was.json_name, is_.json_name
    yield from _options(place, was, is_)
    default, new_default = default_of(was.options), default_of(is_.options)
    if default is None:
        yield SchemaChangeKind.DEFAULT_ADDED, place, None, new_default
    elif new_default is None:
        yield SchemaChangeKind.DEFAULT_REMOVED, place, default, None
    elif not _same_json(default, new_default):
        yield SchemaChangeKind.DEFAULT_CHANGED, place, default, new_default


def _same_json(before: str, after: str) -> bool:
    """Return whether two defaults are the same JSON value, such as ``1`` and ``1.0``."""
    try:
        return bool(_parsed(before) == _parsed(after))
    except (ValueError, ArithmeticError, RecursionError):
        return before == after


def _parsed(text: str) -> Any:
    """Parse JSON; each number is in a tuple, since ``1`` would equal ``true``."""
    return json.loads(text, parse_int=_number, parse_float=_number)


def _number(text: str) -> tuple[Decimal]:
    return (Decimal(text),)


def _oneof(field: FieldDescriptorProto, message: DescriptorProto) -> str | None:
    """Return the name of the oneof of a field; ``None`` if it has none."""
    if field.proto3_optional or not field.HasField("oneof_index"):
        return None
    return message.oneof_decl[field.oneof_index].name


def _entry(field: FieldDescriptorProto, message: DescriptorProto) -> DescriptorProto | None:
    """Return the entry type of a map field; ``None`` for other fields."""
    if field.label != _REPEATED or field.type != FieldDescriptorProto.TYPE_MESSAGE:
        return None
    nested = {each.name: each for each in message.nested_type if each.options.map_entry}
    scope, _, name = field.type_name.rpartition(".")
    return nested.get(name) if scope.endswith(f".{message.name}") else None


def _type_text(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    """Return the type of a field in the syntax of a `.proto` file."""
    entry = _entry(field, message)
    if entry is not None:
        key, value = (_single_type(each) for each in entry.field)
        return f"map<{key}, {value}>"
    if field.label == _REPEATED:
        return f"repeated {_single_type(field)}"
    if field.label == FieldDescriptorProto.LABEL_REQUIRED:
        return f"required {_single_type(field)}"
    return f"{'optional ' if field.proto3_optional else ''}{_single_type(field)}"


def _single_type(field: FieldDescriptorProto) -> str:
    return field.type_name.removeprefix(".") or _SCALARS[field.type]


def _in_enum(
    old: SchemaVersion, enum: str, was: EnumDescriptorProto, is_: EnumDescriptorProto
) -> Iterator[_States]:
    yield from _options(enum, was, is_)
    yield from _reservations(enum, was, is_)
    for before, after in pairs(was.value, is_.value):
        place = f"{enum}.{(before or after).name}"
        if after is None:
            text = f"{before.name} = {before.number}"
            yield SchemaChangeKind.ENUM_VALUE_REMOVED, place, text, None
        elif before is None:
            kind = SchemaChangeKind.ENUM_VALUE_ADDED
            if enum in _closed_enums(old):
                kind = SchemaChangeKind.CLOSED_ENUM_VALUE_ADDED
            yield kind, place, None, f"{after.name} = {after.number}"
        else:
            yield SchemaChangeKind.ENUM_VALUE_RENAMED, place, before.name, after.name
            yield SchemaChangeKind.ENUM_VALUE_RENUMBERED, place, before.number, after.number
            yield from _options(place, before, after)


def _closed_enums(version: SchemaVersion) -> set[str]:
    """Return the full names of the enums that some field restricts to their defined numbers."""
    return {
        field.enum_type.full_name
        for name in version.messages
        for field in version.message(name).fields
        if field.enum_type is not None and is_closed_vocabulary(field)
    }


def _in_extension(
    name: str, was: FieldDescriptorProto, is_: FieldDescriptorProto
) -> Iterator[_States]:
    yield SchemaChangeKind.EXTENSION_CHANGED, name, _extension_text(was), _extension_text(is_)


def _extension_text(extension: FieldDescriptorProto) -> str:
    extended = extension.extendee.removeprefix(".")
    return f"{_type_text(extension, DescriptorProto())} = {extension.number} of {extended}"


def _in_service(
    service: str, was: ServiceDescriptorProto, is_: ServiceDescriptorProto
) -> Iterator[_States]:
    yield from _options(service, was, is_)
    before, after = ({method.name: method for method in each.method} for each in (was, is_))
    for name in before | after:
        place = f"{service}.{name}"
        if name not in after:
            yield SchemaChangeKind.METHOD_REMOVED, place, _method_text(before[name]), None
        elif name not in before:
            yield SchemaChangeKind.METHOD_ADDED, place, None, _method_text(after[name])
        else:
            texts = _method_text(before[name]), _method_text(after[name])
            yield SchemaChangeKind.METHOD_CHANGED, place, *texts
            yield from _options(place, before[name], after[name])


def _method_text(method: MethodDescriptorProto) -> str:
    sent = f"{'stream ' if method.client_streaming else ''}{method.input_type.removeprefix('.')}"
    got = f"{'stream ' if method.server_streaming else ''}{method.output_type.removeprefix('.')}"
    return f"({sent}) returns ({got})"
