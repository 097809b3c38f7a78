"""A message drawn as a tree, with its default values and the rules that it breaks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text
from rich.tree import Tree

from crucible_ir.errors import Violation, printable
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import defaults
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.unknown_fields import show_all_entries
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json.timestamps import write_timestamp
from crucible_ir.showing.history import History

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The most items of a list or map, and the most characters of a value, without ``--full``.
_MAX_ITEMS: Final = 20
_MAX_CHARACTERS: Final = 100
#: The most characters of opaque JSON that are drawn on one line.
_MAX_INLINE: Final = 60

#: The names of the styles that a drawing uses.
STYLES: Final = ("aside", "bad", "good", "name", "number", "text", "word")

_Path = tuple[Part, ...]
#: The text of a value, and its style.
_Shown = tuple[str, str]

_STRUCT: Final = "google.protobuf.Struct"
_VALUE: Final = "google.protobuf.Value"
_TIMESTAMP: Final = "google.protobuf.Timestamp"
#: A row of a history, which a table shows better than a tree.
_SNAPSHOT: Final = "crucible_ir.v1.MetricsSnapshot"


def draw(
    message: Message,
    *,
    title: str = "",
    violations: Iterable[Violation] = (),
    with_defaults: bool = True,
    full: bool = False,
) -> Tree:
    """Draw a message.

    Args:
        message: A message of the IR.
        title: The text beside its type, such as the name of its file.
        violations: The violations to show at their fields.
        with_defaults: Whether to draw unset fields that have a default, dimmed.
        full: Whether to draw long values, lists and maps in full.
    """
    return _Artist(violations, with_defaults, full).root(show_all_entries(message), title)


class _Artist:
    """Draws one message; removes each violation from ``pending`` once it is shown."""

    def __init__(self, violations: Iterable[Violation], with_defaults: bool, full: bool) -> None:
        self.pending: dict[str, list[Violation]] = defaultdict(list)
        for violation in violations:
            self.pending[violation.path].append(violation)
        self.with_defaults = with_defaults
        self.full = full
        self.max_items = None if full else _MAX_ITEMS
        self.max_characters = None if full else _MAX_CHARACTERS

    def root(self, message: Message, title: str) -> Tree:
        label = self.label((message.DESCRIPTOR.name, "name"))
        if title:
            label.append(f" {printable(title)}", "aside")
        tree = Tree(self.marked(label, ()), guide_style="aside")
        self.message(tree, message, ())
        for path, others in self.pending.items():
            for violation in others:
                tree.add(self.row(path, ("", ""), mark=violation))
        return tree

    def message(self, tree: Tree, message: Any, path: _Path) -> None:
        """Add a message's fields in the order of the schema."""
        if isinstance(message, _opaque_types()):
            self.opaque(tree, _json_value(message))
            return
        declared = defaults(message.DESCRIPTOR) if self.with_defaults else {}
        for field in fields_of(message.DESCRIPTOR).values():
            if field.custom_of is not None:
                continue
            here = (*path, field.name)
            if _is_set(message, field):
                self.field(tree, message, field, here)
            elif format_path(here) in self.pending:
                tree.add(self.marked(self.row(field.name, ("unset", "aside")), here))
            elif field.name in declared and not field.is_list and field.message is None:
                shown, _ = self.scalar(field, declared[field.name])
                tree.add(self.row(field.name, (f"{shown} (default)", "aside"), dim=True))
        for oneof in message.DESCRIPTOR.oneofs:
            here = (*path, oneof.name)
            if format_path(here) in self.pending:
                tree.add(self.marked(self.row(oneof.name, ("unset", "aside")), here))

    def field(self, tree: Tree, message: Any, field: Field, path: _Path) -> None:
        value = getattr(message, field.name)
        if field.is_map:
            self.map(tree, field, value, path)
        elif field.is_list:
            custom = getattr(message, field.custom) if field.custom is not None else ()
            self.list(tree, field, value, custom, path)
        elif field.message is not None:
            self.single(tree, field.name, value, path)
        elif field.custom is not None and message.HasField(field.custom):
            shown = self.text(getattr(message, field.custom))
            label = self.row(field.name, shown)
            label.append(" (custom)", "aside")
            tree.add(self.marked(label, (*path[:-1], field.custom)))
        else:
            tree.add(self.marked(self.row(field.name, self.scalar(field, value)), path))

    def single(self, tree: Tree, name: str, value: Any, path: _Path) -> None:
        """Add one message, on one line if it is a timestamp or short opaque JSON."""
        shown = self.inline(value)
        if shown is not None:
            tree.add(self.marked(self.row(name, shown), path))
            return
        label = self.label((printable(name), "name"))
        if not isinstance(value, _opaque_types()):
            label.append(f" {value.DESCRIPTOR.name}", "aside")
        self.message(tree.add(self.marked(label, path)), value, path)

    def list(self, tree: Tree, field: Field, values: Any, custom: Any, path: _Path) -> None:
        if field.message is None:
            items = [self.scalar(field, value)[0] for value in values[: self.max_items]]
            items += [self.text(value)[0] for value in custom[: self.max_items]]
            left = len(values) + len(custom) - len(items)
            more = f", … {left} more" if left else ""
            shown = f"[{', '.join(items)}{more}]"
            tree.add(self.marked(self.row(field.name, (shown, "text")), path))
            return
        label = self.label((field.name, "name"), (f" {len(values)}", "aside"))
        branch = tree.add(self.marked(label, path))
        if field.message.full_name == _SNAPSHOT:
            branch.add(History(values, list(self.snapshot_texts(values)), full=self.full))
            return
        for index, value in enumerate(values[: self.max_items]):
            self.single(branch, f"[{index}]", value, (*path, index))
        self.rest(branch, len(values))

    def snapshot_texts(self, snapshots: Any) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield what is not a number in the rows of a history, by name, as a text for each row."""
        for field in fields_of(snapshots[0].DESCRIPTOR).values():
            if field.message is None or field.is_map:
                continue
            values = [
                getattr(each, field.name) if each.HasField(field.name) else None
                for each in snapshots
            ]
            if field.message.full_name == _STRUCT:
                members = [value.fields if value is not None else {} for value in values]
                for name in sorted({name for each in members for name in each}):
                    yield (
                        name,
                        [self.in_a_cell(each[name]) if name in each else "" for each in members],
                    )
            elif any(value is not None for value in values):
                yield (
                    field.name,
                    ["" if value is None else self.in_a_cell(value) for value in values],
                )

    def in_a_cell(self, value: Any) -> str:
        shown = self.inline(value)
        return "…" if shown is None else shown[0]

    def map(self, tree: Tree, field: Field, values: Any, path: _Path) -> None:
        branch = tree.add(self.marked(self.label((field.name, "name")), path))
        for key in sorted(values)[: self.max_items]:
            here = (*path, MapKey(str(key)))
            if field.message is not None:
                self.single(branch, str(key), values[key], here)
            else:
                shown = self.scalar(field, values[key])
                branch.add(self.marked(self.row(str(key), shown), here))
        self.rest(branch, len(values))

    def opaque(self, tree: Tree, value: object) -> None:
        """Add the items of a JSON object or list."""
        entries: Iterable[tuple[str, object]]
        if isinstance(value, dict):
            entries = list(value.items())
        elif isinstance(value, list):
            entries = [(f"[{index}]", item) for index, item in enumerate(value)]
        else:
            return
        for name, item in entries[: self.max_items]:
            shown = self.json(item)
            if shown is not None:
                tree.add(self.row(name, shown))
            else:
                branch = tree.add(self.label((printable(name), "name")))
                self.opaque(branch, item)
        self.rest(tree, len(entries))

    def rest(self, tree: Tree, count: int) -> None:
        if self.max_items is not None and count > self.max_items:
            tree.add(Text(f"… {count - self.max_items} more", "aside"))

    def inline(self, value: Any) -> _Shown | None:
        """Return a timestamp or short opaque JSON as text; ``None`` for other messages."""
        if value.DESCRIPTOR.full_name == _TIMESTAMP:
            try:
                return write_timestamp(value), "number"
            except ConversionError as error:
                return f"{value.seconds} s, {value.nanos} ns: {error.reason}", "bad"
        return self.json(_json_value(value)) if isinstance(value, _opaque_types()) else None

    def json(self, value: object) -> _Shown | None:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (dict, list)) and len(value) > _MAX_INLINE:
            return None
        text = printable(json.dumps(value, ensure_ascii=False))
        if isinstance(value, (dict, list)):
            return (text, "text") if len(text) <= _MAX_INLINE else None
        return text, "number"

    def scalar(self, field: Field, value: Any) -> _Shown:
        if field.enum is not None:
            name = vocabulary.names(field.enum).get(value)
            return (name, "word") if name else (f"{value} (unknown)", "word")
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return f"{len(value)} bytes, {self.cut(value.hex())}", "aside"
        return (str(value).lower() if isinstance(value, bool) else repr(value)), "number"

    def text(self, value: str) -> _Shown:
        return self.cut(printable(json.dumps(value, ensure_ascii=False))), "text"

    def cut(self, text: str) -> str:
        if self.max_characters is None or len(text) <= self.max_characters:
            return text
        return f"{text[: self.max_characters]}… ({len(text)} characters)"

    def label(self, *parts: _Shown) -> Text:
        """Return a line, cut at the edge of the terminal unless ``full`` is set."""
        if self.full:
            return Text.assemble(*parts, overflow="fold")
        return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")

    def row(
        self, name: str, shown: _Shown, *, mark: Violation | None = None, dim: bool = False
    ) -> Text:
        value, style = shown
        row = self.label((f"{printable(name)}: ", "aside" if dim else "name"), (value, style))
        if mark is not None:
            row.append(_violation_text(mark), "bad")
        return row

    def marked(self, label: Text, path: _Path) -> Text:
        """Add the violations of a field to its label."""
        for violation in self.pending.pop(format_path(path), ()):
            label.append(f"  ✗ {_violation_text(violation)}", "bad")
            # A value may be cut at the edge of the terminal, a violation may not.
            label.no_wrap, label.overflow = False, "fold"
        return label


def _violation_text(violation: Violation) -> str:
    return printable(f"{violation.message} [{violation.rule_id}]")


def _is_set(message: Any, field: Field) -> bool:
    names = [field.name] if field.custom is None else [field.name, field.custom]
    if field.is_list or field.is_map:
        return any(len(getattr(message, name)) for name in names)
    if field.custom is not None and message.HasField(field.custom):
        return True
    # An enum's zero means unset, also where the field has presence.
    if field.has_presence and field.enum is None:
        return bool(message.HasField(field.name))
    return bool(getattr(message, field.name))


def _opaque_types() -> tuple[type, ...]:
    from google.protobuf.struct_pb2 import ListValue, Struct, Value

    return Struct, Value, ListValue


def _json_value(value: Any) -> Any:
    """Return the JSON value of a Struct, Value or ListValue; whole numbers as integers."""
    name = value.DESCRIPTOR.full_name
    if name == _STRUCT:
        return {key: _json_value(value.fields[key]) for key in sorted(value.fields)}
    if name != _VALUE:
        return [_json_value(item) for item in value.values]
    kind = value.WhichOneof("kind")
    if kind in ("struct_value", "list_value"):
        return _json_value(getattr(value, kind))
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= 2**53 else number
    return None if kind in (None, "null_value") else getattr(value, kind)
