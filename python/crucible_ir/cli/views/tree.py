"""A message drawn as a tree: what is set, what would be by default, and which rules it breaks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor
from rich.text import Text
from rich.tree import Tree

from crucible_ir.errors import Violation, printable
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import defaults
from crucible_ir.schema.types import field_of, held_message, is_map
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json.timestamps import write_timestamp

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: How many items of a list or map are drawn, and how many characters of a value, unless all are.
_MOST_ITEMS: Final = 20
_MOST_CHARACTERS: Final = 100
#: An opaque value is drawn on one line if it is at most this long.
_INLINE: Final = 60

_Path = tuple[Part, ...]
#: A value as text, and the style for it.
_Shown = tuple[str, str]

_STRUCT: Final = "google.protobuf.Struct"
_VALUE: Final = "google.protobuf.Value"
_TIMESTAMP: Final = "google.protobuf.Timestamp"


def draw(
    message: Message,
    *,
    title: str = "",
    broken: Iterable[Violation] = (),
    with_defaults: bool = True,
    full: bool = False,
) -> Tree:
    """Draw a message.

    Args:
        message: A message of the IR.
        title: What to call it beside its type, such as the name of its file.
        broken: The violations to mark where they are.
        with_defaults: Whether to draw unset fields that have a default, dimmed.
        full: Whether to draw all of long values, lists and maps.
    """
    return _Artist(broken, with_defaults, full).root(message, title)


class _Artist:
    """Draws one message, and takes a violation off its list when it has marked it."""

    def __init__(self, broken: Iterable[Violation], with_defaults: bool, full: bool) -> None:
        self.broken: dict[str, list[Violation]] = defaultdict(list)
        for violation in broken:
            self.broken[violation.path].append(violation)
        self.with_defaults = with_defaults
        self.full = full
        self.most_items = None if full else _MOST_ITEMS
        self.most_characters = None if full else _MOST_CHARACTERS

    def root(self, message: Message, title: str) -> Tree:
        label = self.label((message.DESCRIPTOR.name, "name"))
        if title:
            label.append(f" {printable(title)}", "aside")
        tree = Tree(self.marked(label, ()), guide_style="aside")
        self.message(tree, message, ())
        for path, violations in self.broken.items():
            for violation in violations:
                tree.add(self.row(path, ("", ""), mark=violation))
        return tree

    def message(self, tree: Tree, message: Any, path: _Path) -> None:
        """Add a message's fields in the order of the schema."""
        if isinstance(message, _opaque_types()):
            self.opaque(tree, _plain(message))
            return
        declared = defaults(message.DESCRIPTOR) if self.with_defaults else {}
        hidden = vocabulary.custom_members(message.DESCRIPTOR)
        for field in message.DESCRIPTOR.fields:
            if field.name in hidden:
                continue
            here = (*path, field.name)
            if _is_set(message, field):
                self.field(tree, message, field, here)
            elif format_path(here) in self.broken:
                tree.add(self.marked(self.row(field.name, ("unset", "aside")), here))
            elif field.name in declared and not field.is_repeated and not field.message_type:
                shown, _ = self.scalar(field, declared[field.name])
                tree.add(self.row(field.name, (f"{shown} (default)", "aside"), dim=True))
        for oneof in message.DESCRIPTOR.oneofs:
            here = (*path, oneof.name)
            if format_path(here) in self.broken:
                tree.add(self.marked(self.row(oneof.name, ("unset", "aside")), here))

    def field(self, tree: Tree, message: Any, field: FieldDescriptor, path: _Path) -> None:
        value = getattr(message, field.name)
        custom = vocabulary.custom_member(field)
        if is_map(field):
            self.map(tree, field, value, path)
        elif field.is_repeated:
            others = getattr(message, custom.name) if custom is not None else ()
            self.list(tree, field, value, others, path)
        elif field.message_type is not None:
            self.single(tree, field.name, value, path)
        elif custom is not None and message.HasField(custom.name):
            shown = self.text(getattr(message, custom.name))
            label = self.row(field.name, shown)
            label.append(" (custom)", "aside")
            tree.add(self.marked(label, (*path[:-1], custom.name)))
        else:
            tree.add(self.marked(self.row(field.name, self.scalar(field, value)), path))

    def single(self, tree: Tree, name: str, value: Any, path: _Path) -> None:
        """Add one message, on a line where it is a value rather than a set of fields."""
        shown = self.inline(value)
        if shown is not None:
            tree.add(self.marked(self.row(name, shown), path))
            return
        label = self.label((printable(name), "name"))
        if not isinstance(value, _opaque_types()):
            label.append(f" {value.DESCRIPTOR.name}", "aside")
        self.message(tree.add(self.marked(label, path)), value, path)

    def list(
        self, tree: Tree, field: FieldDescriptor, values: Any, others: Any, path: _Path
    ) -> None:
        if field.message_type is None:
            items = [self.scalar(field, value)[0] for value in values[: self.most_items]]
            items += [self.text(value)[0] for value in others[: self.most_items]]
            left = len(values) + len(others) - len(items)
            more = f", … {left} more" if left else ""
            shown = f"[{', '.join(items)}{more}]"
            tree.add(self.marked(self.row(field.name, (shown, "text")), path))
            return
        label = self.label((field.name, "name"), (f" {len(values)}", "aside"))
        branch = tree.add(self.marked(label, path))
        for index, value in enumerate(values[: self.most_items]):
            self.single(branch, f"[{index}]", value, (*path, index))
        self.rest(branch, len(values))

    def map(self, tree: Tree, field: FieldDescriptor, values: Any, path: _Path) -> None:
        value_field = field_of(held_message(field), "value")
        branch = tree.add(self.marked(self.label((field.name, "name")), path))
        for key in sorted(values)[: self.most_items]:
            here = (*path, MapKey(str(key)))
            if value_field.message_type is not None:
                self.single(branch, str(key), values[key], here)
            else:
                shown = self.scalar(value_field, values[key])
                branch.add(self.marked(self.row(str(key), shown), here))
        self.rest(branch, len(values))

    def opaque(self, tree: Tree, value: object) -> None:
        """Add what a JSON object or list holds."""
        entries: Iterable[tuple[str, object]]
        if isinstance(value, dict):
            entries = list(value.items())
        elif isinstance(value, list):
            entries = [(f"[{index}]", item) for index, item in enumerate(value)]
        else:
            return
        for name, item in entries[: self.most_items]:
            shown = self.json(item)
            if shown is not None:
                tree.add(self.row(name, shown))
            else:
                branch = tree.add(self.label((printable(name), "name")))
                self.opaque(branch, item)
        self.rest(tree, len(entries))

    def rest(self, tree: Tree, count: int) -> None:
        if self.most_items is not None and count > self.most_items:
            tree.add(Text(f"… {count - self.most_items} more", "aside"))

    def inline(self, value: Any) -> _Shown | None:
        """Return a message as text where it is a value: a moment, or a short piece of JSON."""
        if value.DESCRIPTOR.full_name == _TIMESTAMP:
            try:
                return write_timestamp(value), "number"
            except ConversionError as refusal:
                return f"{value.seconds} s, {value.nanos} ns: {refusal.reason}", "bad"
        return self.json(_plain(value)) if isinstance(value, _opaque_types()) else None

    def json(self, value: object) -> _Shown | None:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (dict, list)) and len(value) > _INLINE:
            return None
        text = printable(json.dumps(value, ensure_ascii=False))
        if isinstance(value, (dict, list)):
            return (text, "text") if len(text) <= _INLINE else None
        return text, "number"

    def scalar(self, field: FieldDescriptor, value: Any) -> _Shown:
        if field.enum_type is not None:
            name = vocabulary.names(field.enum_type).get(value)
            return (name, "word") if name else (f"{value} (unknown)", "word")
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return f"{len(value)} bytes, {self.cut(value.hex())}", "aside"
        return (str(value).lower() if isinstance(value, bool) else repr(value)), "number"

    def text(self, value: str) -> _Shown:
        return self.cut(printable(json.dumps(value, ensure_ascii=False))), "text"

    def cut(self, text: str) -> str:
        if self.most_characters is None or len(text) <= self.most_characters:
            return text
        return f"{text[: self.most_characters]}… ({len(text)} characters)"

    def label(self, *parts: _Shown) -> Text:
        """Return a line that is cut at the edge of the terminal, unless all is to be drawn."""
        if self.full:
            return Text.assemble(*parts, overflow="fold")
        return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")

    def row(
        self, name: str, shown: _Shown, *, mark: Violation | None = None, dim: bool = False
    ) -> Text:
        value, style = shown
        row = self.label((f"{printable(name)}: ", "aside" if dim else "name"), (value, style))
        if mark is not None:
            row.append(_complaint(mark), "bad")
        return row

    def marked(self, label: Text, path: _Path) -> Text:
        """Add to a label the violations of its field."""
        for violation in self.broken.pop(format_path(path), ()):
            label.append(f"  ✗ {_complaint(violation)}", "bad")
            # A value may be cut at the edge of the terminal, what is wrong with it may not.
            label.no_wrap, label.overflow = False, "fold"
        return label


def _complaint(violation: Violation) -> str:
    return printable(f"{violation.message} [{violation.rule_id}]")


def _is_set(message: Any, field: FieldDescriptor) -> bool:
    custom = vocabulary.custom_member(field)
    if field.is_repeated:
        return bool(
            len(getattr(message, field.name))
            or (custom is not None and len(getattr(message, custom.name)))
        )
    if custom is not None and message.HasField(custom.name):
        return True
    if field.enum_type is not None and getattr(message, field.name) == 0:
        return False
    if field.has_presence:
        return bool(message.HasField(field.name))
    return bool(getattr(message, field.name) != field.default_value)


def _opaque_types() -> tuple[type, ...]:
    from google.protobuf.struct_pb2 import ListValue, Struct, Value

    return Struct, Value, ListValue


def _plain(value: Any) -> Any:
    """Return a Struct, Value or ListValue as plain values; whole numbers without a point."""
    name = value.DESCRIPTOR.full_name
    if name == _STRUCT:
        return {key: _plain(value.fields[key]) for key in sorted(value.fields)}
    if name != _VALUE:
        return [_plain(item) for item in value.values]
    kind = value.WhichOneof("kind")
    if kind in ("struct_value", "list_value"):
        return _plain(getattr(value, kind))
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= 2**53 else number
    return None if kind in (None, "null_value") else getattr(value, kind)
