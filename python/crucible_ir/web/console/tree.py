"""A document as rows of a tree, with the defaults, rules and documentation of its fields."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema import vocabulary
from crucible_ir.schema.comments import comment
from crucible_ir.schema.defaults import defaults
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.references import identity_of
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.web.console.values import cut

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: The most rows, items of a list or map, and characters of a value.
_MAX_ROWS: Final = 3000
_MAX_ITEMS: Final = 100
_MAX_CHARACTERS: Final = 4000
#: How often the documentation of one field is repeated: a list may have many items.
_MAX_REPEATED: Final = 2

_Path = tuple[Part, ...]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class About:
    """What the schema says of a field: its name, type, comment and rules."""

    name: str
    type: str
    number: int
    is_required: bool
    text: str
    rules: Sequence[str]


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A row of the tree.

    Attributes:
        path: The path of the value; empty for a row that names what is not set.
        depth: How deep it is inside other values.
        number: The number of the field; ``None`` for an item, a key, or opaque JSON.
        name: The name of the field, the key or the index.
        value: The value as text; empty if it is in the rows below.
        kind: ``text``, ``number``, ``word``, ``time``, ``count`` or ``fold``.
        type: The type in the schema.
        is_default: Whether the value is the default of an unset field.
        time: The value, if it is a timestamp.
        refers_to: The type and the id of the document that the value names; ``None`` for none.
        about: What the schema says of the field; ``None`` if an earlier row has it.
        lints: The lint findings on the value.
    """

    path: str
    depth: int
    number: int | None
    name: str
    value: str
    kind: str
    type: str = ""
    is_default: bool = False
    time: datetime | None = None
    refers_to: tuple[str, str] | None = None
    about: About | None = field(default=None, metadata={"json": False})
    lints: Sequence[str] = ()


def tree_of(message: Message, lints: Mapping[str, Sequence[str]] | None = None) -> list[TreeRow]:
    """Return a message as rows.

    Args:
        message: The content of a document.
        lints: The ids of lint findings by path.
    """
    rows = _Tree(lints or {})
    found: list[TreeRow] = []
    for row in rows.message(message, (), 0):
        if len(found) == _MAX_ROWS:
            found.append(TreeRow("", 0, None, "", "The rest is in the formats beside.", "fold"))
            break
        found.append(row)
    return found


class _Tree:
    def __init__(self, lints: Mapping[str, Sequence[str]]) -> None:
        self.lints = lints
        self.described: Counter[str] = Counter()

    def message(self, message: Any, path: _Path, depth: int) -> Iterator[TreeRow]:
        """Yield the fields that are set or have a default, and a row that names the others."""
        declared = defaults(descriptor_of(message))
        unset = []
        for each in fields_of(descriptor_of(message)).values():
            if each.custom_of is not None:
                continue
            if is_set(message, each):
                yield from self.field(message, each, (*path, each.name), depth)
            elif each.name in declared and _is_plain(each):
                yield self.default(each, declared[each.name], (*path, each.name), depth)
            else:
                unset.append(each.name)
        if unset:
            yield TreeRow("", depth, None, "", ", ".join(unset), "fold")

    def default(self, each: Field, value: Any, path: _Path, depth: int) -> TreeRow:
        items = value if isinstance(value, tuple) else (value,)
        texts = [_scalar(each, item)[0] for item in items]
        text = f"[{', '.join(texts)}]" if each.is_list else texts[0]
        row = self.row(each, path, depth, text, "word")
        return replace(row, is_default=True)

    def field(self, message: Any, each: Field, path: _Path, depth: int) -> Iterator[TreeRow]:
        value = getattr(message, each.name)
        if each.is_map:
            yield self.row(each, path, depth, _count(len(value), "entry", "entries"), "count")
            items = [(key, value[key], (*path, MapKey(str(key)))) for key in sorted(value)]
            yield from self.items(each, items, depth + 1)
        elif each.is_list:
            yield from self.list(message, each, value, path, depth)
        elif each.message is not None:
            yield from self.single(each, value, path, depth)
        elif each.custom is not None and message.HasField(each.custom):
            text = _text(getattr(message, each.custom))
            path = (*path[:-1], each.custom)
            yield replace(self.row(each, path, depth, text, "text"), name=each.custom)
        else:
            text, kind = _scalar(each, value)
            row = self.row(each, path, depth, text, kind)
            if each.reference is not None and value:
                row = replace(row, refers_to=(each.reference, value))
            yield row

    def list(
        self, message: Any, each: Field, values: Any, path: _Path, depth: int
    ) -> Iterator[TreeRow]:
        customs = getattr(message, each.custom) if each.custom is not None else ()
        count = len(values) + len(customs)
        if each.message is not None:
            yield self.row(each, path, depth, _count(count, "item", "items"), "count")
            numbered = [(f"[{i}]", item, (*path, i)) for i, item in enumerate(values)]
            yield from self.items(each, numbered, depth + 1)
            return
        texts = [_scalar(each, value)[0] for value in [*values[:_MAX_ITEMS]]]
        texts += [_text(value) for value in customs[:_MAX_ITEMS]]
        more = f", and {count - len(texts):,} more" if count > len(texts) else ""
        yield self.row(
            each, path, depth, cut(f"[{', '.join(texts)}{more}]", _MAX_CHARACTERS), "text"
        )

    def items(
        self, each: Field, items: Sequence[tuple[str, Any, _Path]], depth: int
    ) -> Iterator[TreeRow]:
        for name, value, path in items[:_MAX_ITEMS]:
            if each.message is None:
                text, kind = _scalar(each, value)
                row = TreeRow(format_path(path), depth, None, name, text, kind)
                if each.reference is not None:
                    row = replace(row, refers_to=(each.reference, value))
                yield self.linted(row)
            else:
                for row in self.single(each, value, path, depth):
                    is_head = row.path == format_path(path)
                    yield (
                        replace(row, name=name, number=None, type="", about=None)
                        if is_head
                        else row
                    )
        if len(items) > _MAX_ITEMS:
            yield TreeRow("", depth, None, "", f"{len(items) - _MAX_ITEMS:,} more", "fold")

    def single(self, each: Field, value: Any, path: _Path, depth: int) -> Iterator[TreeRow]:
        """Yield one message: a timestamp, opaque JSON, or a message with its fields below."""
        if each.message is Timestamp.DESCRIPTOR:
            time = _time(value)
            text = value.ToJsonString() if time is not None else f"{value.seconds} s"
            yield replace(self.row(each, path, depth, text, "time"), time=time)
        elif each.is_opaque:
            yield from self.opaque(self.row(each, path, depth, "", "count"), _json(value), path)
        else:
            fields = len(value.ListFields())
            row = self.row(each, path, depth, _count(fields, "field", "fields"), "count")
            id_ = identity_of(value) if each.reference is not None else None
            if each.reference is not None and id_ is not None:
                # A copy of another document.
                row = replace(row, refers_to=(each.reference, id_))
            yield row
            yield from self.message(value, path, depth + 1)

    def opaque(self, row: TreeRow, value: object, path: _Path) -> Iterator[TreeRow]:
        """Yield opaque JSON, objects and lists with their items below."""
        if not isinstance(value, dict | list):
            kind = "text" if isinstance(value, str) else "number"
            yield self.linted(replace(row, value=_text(value), kind=kind))
            return
        is_object = isinstance(value, dict)
        noun = ("entry", "entries") if is_object else ("item", "items")
        yield self.linted(replace(row, value=_count(len(value), *noun), kind="count"))
        items: list[tuple[str, Part, object]]
        if isinstance(value, dict):
            items = [(key, MapKey(key), item) for key, item in value.items()]
        else:
            items = [(f"[{index}]", index, item) for index, item in enumerate(value)]
        for name, part, item in items[:_MAX_ITEMS]:
            below = (*path, part)
            yield from self.opaque(
                TreeRow(format_path(below), row.depth + 1, None, name, "", ""), item, below
            )
        if len(items) > _MAX_ITEMS:
            text = f"{len(items) - _MAX_ITEMS:,} more"
            yield TreeRow("", row.depth + 1, None, "", text, "fold")

    def row(self, each: Field, path: _Path, depth: int, text: str, kind: str) -> TreeRow:
        about = None
        name = each.descriptor.full_name
        if self.described[name] < _MAX_REPEATED:
            self.described[name] += 1
            about = about_field(each)
        number = each.descriptor.number
        made = TreeRow(
            format_path(path), depth, number, each.name, text, kind, type_name(each), about=about
        )
        return self.linted(made)

    def linted(self, row: TreeRow) -> TreeRow:
        lints = self.lints.get(row.path, ())
        return replace(row, lints=lints) if lints else row


def is_set(message: Any, each: Field) -> bool:
    """Return whether a field, or the field for custom names beside it, has a value."""
    names = [each.name] if each.custom is None else [each.name, each.custom]
    if each.is_list or each.is_map:
        return any(len(getattr(message, name)) for name in names)
    if each.custom is not None and message.HasField(each.custom):
        return True
    # An enum's zero means unset, also where the field has presence.
    if each.has_presence and each.enum is None:
        return bool(message.HasField(each.name))
    return bool(getattr(message, each.name))


def _is_plain(each: Field) -> bool:
    """Return whether the default of a field is one line, and no other member of a oneof is set."""
    is_alone = each.oneof is None or each.custom is not None
    return is_alone and each.message is None and not each.is_map


@cache
def about_field(each: Field) -> About:
    """Return what the schema says of a field."""
    owner: Descriptor = each.descriptor.containing_type  # type: ignore[assignment]
    names = {each.name, f"{each.name}[]", f"{each.name}{{key}}", f"{each.name}{{value}}"}
    rules = [rule for rule in rules_of(owner) if rule.field_path in names]
    texts = [f"{rule.rule_id}: {rule.description}" for rule in rules if rule.rule_id != "required"]
    is_required = any(rule.rule_id == "required" for rule in rules)
    text = comment(each.descriptor)
    return About(each.name, type_name(each), each.descriptor.number, is_required, text, texts)


@cache
def type_name(each: Field) -> str:
    """Return the type of a field in words.

    >>> from crucible_ir import v1
    >>> type_name(fields_of(v1.ModelVersion.DESCRIPTOR)["metrics"])
    'map of double'
    """
    if each.reference is not None and each.message is None:
        name = each.reference
    elif each.is_opaque:
        name = "JSON"
    elif each.message is not None:
        name = each.message.name
    elif each.enum is not None:
        name = each.enum.name
    else:
        name = each.kind.value
    return f"map of {name}" if each.is_map else f"list of {name}" if each.is_list else name


def _scalar(each: Field, value: Any) -> tuple[str, str]:
    """Return a value that is not a message as text, and its kind."""
    if each.enum is not None:
        return vocabulary.names(each.enum).get(value, str(value)), "word"
    if isinstance(value, bool):
        return str(value).lower(), "word"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes, {cut(value.hex(), 64)}", "count"
    if isinstance(value, float) and not math.isfinite(value):
        return ("NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"), "bad"
    return (_text(value), "text") if isinstance(value, str) else (repr(value), "number")


def _text(value: object) -> str:
    return cut(json.dumps(value, ensure_ascii=False), _MAX_CHARACTERS)


def _json(value: Any) -> Any:
    """Return the JSON value of a Struct, Value or ListValue; whole numbers as integers."""

    def whole(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: whole(item[key]) for key in sorted(item)}
        if isinstance(item, list):
            return [whole(each) for each in item]
        if isinstance(item, float) and item.is_integer() and abs(item) <= 2**53:
            return int(item)
        return item

    return whole(MessageToDict(value))


def _time(value: Timestamp) -> datetime | None:
    """Return a timestamp; ``None`` if it is outside of what a datetime can be."""
    try:
        return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    except OverflowError:
        return None


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
