"""Changes of declarations: files, messages, fields, vocabularies, options and services."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from crucible_ir.schema_changes.changes import SchemaChange, SchemaChangeKind
from crucible_ir.schema_changes.rule_changes import is_closed_vocabulary
from crucible_ir.schema_changes.versions import Declared, pairs
from crucible_ir.v1 import options_pb2

if TYPE_CHECKING:
    from crucible_ir.schema_changes.versions import SchemaVersion

_REPEATED: Final = FieldDescriptorProto.LABEL_REPEATED
_SCALARS: Final = {
    number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()
}

#: Options with a separate kind of change.
_OWN_KIND: Final = ("deprecated",)


def declaration_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    """Yield the changes between two versions, except those of rules and lints.

    An added or removed package is one change, regardless of its contents.
    """
    yield from _package_changes(old, new)
    yield from _file_changes(old, new)
    yield from _message_changes(old, new)
    yield from _enum_changes(old, new)
    yield from _extension_changes(old, new)
    yield from _service_changes(old, new)


def _package_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    for name in sorted(old.packages - new.packages):
        yield SchemaChange(SchemaChangeKind.PACKAGE_REMOVED, name, name, old=f"package {name}")
    for name in sorted(new.packages - old.packages):
        yield SchemaChange(SchemaChangeKind.PACKAGE_ADDED, name, name, new=f"package {name}")


def _file_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    before = {file.name: file for file in old.own_files()}
    after = {file.name: file for file in new.own_files()}
    for name, file in before.items():
        if name not in after:
            if file.package in new.packages:
                yield SchemaChange(SchemaChangeKind.FILE_REMOVED, file.package, name, old=name)
            continue
        kind = SchemaChangeKind.FILE_OPTION_CHANGED
        yield from _option_changes(kind, file.package, name, file, after[name])
        for attribute in ("package", "syntax", "edition"):
            was, is_ = str(getattr(file, attribute)), str(getattr(after[name], attribute))
            if was != is_:
                texts = (f"{attribute} = {was}", f"{attribute} = {is_}")
                yield SchemaChange(kind, file.package, name, *texts)


def _message_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    before, after = old.messages, new.messages
    kinds = (
        SchemaChangeKind.MESSAGE_ADDED,
        SchemaChangeKind.MESSAGE_REMOVED,
        SchemaChangeKind.MESSAGE_MOVED,
    )
    yield from _added_and_removed((old, new), before, after, *kinds)
    for name in _in_both(before, after):
        was, is_ = before[name].proto, after[name].proto
        if was == is_:
            continue
        package = before[name].package
        yield from _option_changes(SchemaChangeKind.OPTION_CHANGED, package, name, was, is_)
        yield from _reservation_changes(package, name, was, is_)
        yield from _field_changes(package, name, was, is_, new)


def _added_and_removed(
    versions: tuple[SchemaVersion, SchemaVersion],
    before: dict[str, Declared],
    after: dict[str, Declared],
    added: SchemaChangeKind,
    removed: SchemaChangeKind,
    moved: SchemaChangeKind | None = None,
) -> Iterator[SchemaChange]:
    in_both = versions[0].packages & versions[1].packages
    for name, declared in before.items():
        if declared.package not in in_both:
            continue
        if name not in after:
            yield SchemaChange(removed, declared.package, name, old=declared.proto.name)
        elif moved is not None and after[name].file.name != declared.file.name:
            files = (declared.file.name, after[name].file.name)
            yield SchemaChange(moved, declared.package, name, *files)
    for name, declared in after.items():
        if name not in before and declared.package in in_both:
            yield SchemaChange(added, declared.package, name, new=declared.proto.name)


def _in_both(before: dict[str, Declared], after: dict[str, Declared]) -> Iterable[str]:
    return [name for name in before if name in after]


def _option_changes(
    kind: SchemaChangeKind, package: str, place: str, was: Any, is_: Any
) -> Iterator[SchemaChange]:
    """Yield the changes of the options of protobuf, but not of extensions, such as rules."""
    before, after = _options(was), _options(is_)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name) and name not in _OWN_KIND:
            texts = [
                None if value is None else f"{name} = {value}"
                for value in (before.get(name), after.get(name))
            ]
            yield SchemaChange(kind, package, place, *texts)
    if was.options.deprecated != is_.options.deprecated:
        deprecated = is_.options.deprecated
        kind = SchemaChangeKind.DEPRECATED if deprecated else SchemaChangeKind.NO_LONGER_DEPRECATED
        texts = [None, "deprecated"] if deprecated else ["deprecated", None]
        yield SchemaChange(kind, package, place, *texts)


def _options(declared: Any) -> dict[str, str]:
    return {
        field.name: str(value).strip()
        for field, value in declared.options.ListFields()
        if not field.is_extension
    }


def _reservation_changes(package: str, place: str, was: Any, is_: Any) -> Iterator[SchemaChange]:
    removed = [
        f"{first} to {last}" for first, last in _reserved(was) if not _covered(first, last, is_)
    ]
    removed += [f'"{name}"' for name in was.reserved_name if name not in is_.reserved_name]
    for reserved in removed:
        yield SchemaChange(SchemaChangeKind.RESERVATION_REMOVED, package, place, old=reserved)


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


def _field_changes(
    package: str, message: str, was: DescriptorProto, is_: DescriptorProto, new: SchemaVersion
) -> Iterator[SchemaChange]:
    for before, after in pairs(was.field, is_.field):
        place = f"{message}.{(before or after).name}"
        if after is None:
            kind, text = SchemaChangeKind.FIELD_REMOVED, _type_text(before, was)
            yield SchemaChange(kind, package, place, old=text)
        elif before is None:
            kind = _kind_of_new_field(message, was, is_, after, new)
            yield SchemaChange(kind, package, place, new=_type_text(after, is_))
        elif before != after or _entry(before, was) != _entry(after, is_):
            yield from _one_field_changes(package, place, (before, was), (after, is_))


def _kind_of_new_field(
    message: str,
    was: DescriptorProto,
    is_: DescriptorProto,
    field: FieldDescriptorProto,
    new: SchemaVersion,
) -> SchemaChangeKind:
    if _is_required(new, message, field.name):
        return SchemaChangeKind.REQUIRED_FIELD_ADDED
    existing = {oneof.name for oneof in was.oneof_decl}
    if _oneof(field, is_) in existing:
        return SchemaChangeKind.ONEOF_MEMBER_ADDED
    return SchemaChangeKind.FIELD_ADDED


def _is_required(version: SchemaVersion, message: str, field: str) -> bool:
    """Return whether a version rejects a message if a field is unset or empty.

    Rules other than `required` can require a field, too, such as `repeated.min_items`, and
    `string.min_len` on a field without presence. Therefore protovalidate evaluates the rules.
    """
    empty = version.message_class(message)()
    return any(path == field for path, _ in version.broken_rules(empty))


def _one_field_changes(
    package: str,
    place: str,
    old: tuple[FieldDescriptorProto, DescriptorProto],
    new: tuple[FieldDescriptorProto, DescriptorProto],
) -> Iterator[SchemaChange]:
    was, is_ = old[0], new[0]
    renamed = was.name != is_.name
    facts: list[tuple[SchemaChangeKind, object, object]] = [
        (SchemaChangeKind.FIELD_RENAMED, was.name, is_.name),
        (SchemaChangeKind.FIELD_RENUMBERED, was.number, is_.number),
        (SchemaChangeKind.FIELD_RETYPED, _type_text(*old), _type_text(*new)),
        (SchemaChangeKind.FIELD_MOVED, _oneof(*old), _oneof(*new)),
    ]
    if not renamed:
        facts.append((SchemaChangeKind.JSON_NAME_CHANGED, was.json_name, is_.json_name))
    for kind, before, after in facts:
        if before != after:
            texts = [None if value is None else str(value) for value in (before, after)]
            yield SchemaChange(kind, package, place, *texts)
    yield from _option_changes(SchemaChangeKind.OPTION_CHANGED, package, place, was, is_)
    yield from _default_changes(package, place, was, is_)


def _default_changes(
    package: str, place: str, was: FieldDescriptorProto, is_: FieldDescriptorProto
) -> Iterator[SchemaChange]:
    before, after = _default(was), _default(is_)
    if before is None or after is None:
        if before == after:
            return
        kind = (
            SchemaChangeKind.DEFAULT_ADDED if before is None else SchemaChangeKind.DEFAULT_REMOVED
        )
    elif _same_json(before, after):
        return
    else:
        kind = SchemaChangeKind.DEFAULT_CHANGED
    yield SchemaChange(kind, package, place, before, after)


def _default(field: FieldDescriptorProto) -> str | None:
    # protoc's stubs type an extension as an ordinary field.
    extension: Any = options_pb2.default
    if not field.options.HasExtension(extension):
        return None
    return str(field.options.Extensions[extension])


def _same_json(before: str, after: str) -> bool:
    """Return whether two defaults are the same JSON value, such as ``1`` and ``1.0``."""
    try:
        return _same(json.loads(before), json.loads(after))
    except (ValueError, RecursionError):
        return before == after


def _same(before: Any, after: Any) -> bool:
    """Compare JSON values; unlike in Python, ``true`` and ``1`` are different."""
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_same(before[k], after[k]) for k in before)
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)


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


def _enum_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    before, after = old.enums, new.enums
    kinds = (
        SchemaChangeKind.ENUM_ADDED,
        SchemaChangeKind.ENUM_REMOVED,
        SchemaChangeKind.ENUM_MOVED,
    )
    yield from _added_and_removed((old, new), before, after, *kinds)
    closed = _closed_enums(old)
    for name in _in_both(before, after):
        was, is_ = before[name].proto, after[name].proto
        if was == is_:
            continue
        package = before[name].package
        yield from _option_changes(SchemaChangeKind.OPTION_CHANGED, package, name, was, is_)
        yield from _reservation_changes(package, name, was, is_)
        yield from _value_changes(package, name, was, is_, is_closed=name in closed)


def _closed_enums(version: SchemaVersion) -> set[str]:
    """Return the full names of the enums that some field restricts to their defined numbers."""
    return {
        field.enum_type.full_name
        for name in version.messages
        for field in version.message(name).fields
        if field.enum_type is not None and is_closed_vocabulary(field)
    }


def _value_changes(
    package: str, enum: str, was: Any, is_: Any, *, is_closed: bool
) -> Iterator[SchemaChange]:
    added = (
        SchemaChangeKind.CLOSED_ENUM_VALUE_ADDED if is_closed else SchemaChangeKind.ENUM_VALUE_ADDED
    )
    for before, after in pairs(was.value, is_.value):
        place = f"{enum}.{(before or after).name}"
        if after is None:
            text = f"{before.name} = {before.number}"
            yield SchemaChange(SchemaChangeKind.ENUM_VALUE_REMOVED, package, place, old=text)
        elif before is None:
            yield SchemaChange(added, package, place, new=f"{after.name} = {after.number}")
        else:
            if before.name != after.name:
                names = (before.name, after.name)
                yield SchemaChange(SchemaChangeKind.ENUM_VALUE_RENAMED, package, place, *names)
            if before.number != after.number:
                numbers = (str(before.number), str(after.number))
                yield SchemaChange(SchemaChangeKind.ENUM_VALUE_RENUMBERED, package, place, *numbers)
            kind = SchemaChangeKind.OPTION_CHANGED
            yield from _option_changes(kind, package, place, before, after)


def _extension_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    before, after = old.extensions, new.extensions
    kinds = (SchemaChangeKind.EXTENSION_ADDED, SchemaChangeKind.EXTENSION_REMOVED)
    yield from _added_and_removed((old, new), before, after, *kinds)
    for name in _in_both(before, after):
        was, is_ = (_extension_text(each[name].proto) for each in (before, after))
        if was != is_:
            kind = SchemaChangeKind.EXTENSION_CHANGED
            yield SchemaChange(kind, before[name].package, name, was, is_)


def _extension_text(extension: FieldDescriptorProto) -> str:
    extended = extension.extendee.removeprefix(".")
    return f"{_type_text(extension, DescriptorProto())} = {extension.number} of {extended}"


def _service_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    before, after = _services(old), _services(new)
    yield from _added_and_removed(
        (old, new), before, after, SchemaChangeKind.SERVICE_ADDED, SchemaChangeKind.SERVICE_REMOVED
    )
    for name in _in_both(before, after):
        package = before[name].package
        was: ServiceDescriptorProto = before[name].proto
        is_: ServiceDescriptorProto = after[name].proto
        yield from _option_changes(SchemaChangeKind.OPTION_CHANGED, package, name, was, is_)
        yield from _method_changes(package, name, was, is_)


def _services(version: SchemaVersion) -> dict[str, Declared]:
    declared = (
        Declared(file, file.package, service)
        for file in version.own_files()
        for service in file.service
    )
    return {each.full_name: each for each in declared}


def _method_changes(
    package: str, service: str, was: ServiceDescriptorProto, is_: ServiceDescriptorProto
) -> Iterator[SchemaChange]:
    before = {method.name: method for method in was.method}
    after = {method.name: method for method in is_.method}
    for name, method in before.items():
        place = f"{service}.{name}"
        text = _method_text(method)
        if name not in after:
            yield SchemaChange(SchemaChangeKind.METHOD_REMOVED, package, place, old=text)
            continue
        if text != _method_text(after[name]):
            kind = SchemaChangeKind.METHOD_CHANGED
            yield SchemaChange(kind, package, place, text, _method_text(after[name]))
        kind = SchemaChangeKind.OPTION_CHANGED
        yield from _option_changes(kind, package, place, method, after[name])
    for name, method in after.items():
        if name not in before:
            kind, place = SchemaChangeKind.METHOD_ADDED, f"{service}.{name}"
            yield SchemaChange(kind, package, place, new=_method_text(method))


def _method_text(method: MethodDescriptorProto) -> str:
    sent = f"{'stream ' if method.client_streaming else ''}{method.input_type.removeprefix('.')}"
    got = f"{'stream ' if method.server_streaming else ''}{method.output_type.removeprefix('.')}"
    return f"({sent}) returns ({got})"
