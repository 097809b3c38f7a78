"""YAML: the JSON values of a message in YAML 1.2 with the core schema.

The parser is strict and keeps positions. Scalars such as ``yes`` and ``2025-01-01`` are strings.
Tags of other schemas, several documents and keys that are not scalars are rejected, and the number
of values that aliases expand to is limited.

libyaml implements YAML 1.1. Where YAML 1.2 differs, this module does the work: a JSON text is YAML
and goes to the JSON parser, and U+0085, U+2028 and U+2029 are not line breaks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import yaml

from crucible_ir.errors import DecodeError, Position, SpellingWarning, warn
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.spelling import custom_names, misspelled
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.schema.walk import walk
from crucible_ir.serialization.conversion_error import NotFinite, Number, describe, parse_number
from crucible_ir.serialization.json import parsing
from crucible_ir.serialization.json.document import ParsedValues
from crucible_ir.serialization.json.enum_names import misspelling
from crucible_ir.serialization.json.parsing import JsonPositions, decode_utf8
from crucible_ir.serialization.json.protojson import to_dict
from crucible_ir.serialization.json.yaml_dialect import YAML
from crucible_ir.serialization.limits import MAX_ALIASED_VALUES, MAX_YAML_DEPTH
from crucible_ir.serialization.positions import PositionTree, position_at

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = ("str", "int", "float", "bool", "null")
#: Characters that are not printable in YAML 1.2 (section 5.1).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_JSON_START = re.compile(r"[ \t\r\n]*[{[]")
_LINE_BREAK = re.compile("\r\n?|\n")
#: The line breaks of YAML 1.1 that are ordinary characters in YAML 1.2 (section 5.4).
_YAML_1_1_BREAKS = "\x85\u2028\u2029"
#: An escape in quotes that can stand for a private-use character.
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\U(00[01][0-9a-fA-F]{5})")
_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))
_TOO_DEEP = f"nested deeper than {MAX_YAML_DEPTH} levels"
_TAG_OF = {
    int: "int",
    float: "float",
    Number: "float",
    NotFinite: "float",
    bool: "bool",
    type(None): "null",
}


def to_yaml(message: Message, *, names: Literal["short", "proto"] = "short") -> str:
    """Write a message in YAML, with the names and the order of the schema.

    Args:
        message: Any protobuf message.
        names: ``short`` writes YAML as people write it: short names of enum values, one key for an
            open vocabulary, integers as numbers. ``proto`` writes ProtoJSON in YAML, with full
            names, for programs that turn YAML into ProtoJSON.

    Raises:
        EncodeError: YAML cannot write a value of the message.

    >>> from crucible_ir import v1
    >>> model = v1.ModelRef(id="gpt2", provider="MODEL_PROVIDER_HUGGINGFACE")
    >>> print(to_yaml(model), end="")
    id: gpt2
    provider: huggingface
    >>> print(to_yaml(model, names="proto"), end="")
    id: gpt2
    provider: MODEL_PROVIDER_HUGGINGFACE
    """
    if names not in ("short", "proto"):
        raise ValueError(f'expected names "short" or "proto", got {names!r}')
    if names == "proto":
        return write(to_dict(message, original_names=True))
    return write(YAML.encode(message))


@overload
def from_yaml(
    data: str | bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_yaml(
    data: str | bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_yaml(
    data: str | bytes,
    type: str | type[Message],
    *,
    validate: bool = True,
    limits: Limits | None = None,
) -> Message:
    """Read a message from YAML, with short or full names, or any of ProtoJSON.

    Unlike ProtoJSON, it accepts every spelling of a timestamp that RFC 3339 permits, such as
    ``2025-12-26 12:00:00Z``.

    Args:
        data: YAML text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the message must satisfy the rules of the schema.
        limits: The limits on the document; ``None`` for no limits.

    Warns:
        SpellingWarning: A name that is not in its vocabulary is one edit away from one that is.

    Raises:
        LimitError: The document is over a limit.
        DecodeError: The text is not the YAML of such a message; the error has a path and a
            position.
        ValidationError: The message breaks rules of the schema.

    >>> from_yaml("{name: mmlu, provider: huggingface}", "DatasetRef")
    name: "mmlu"
    provider: DATASET_PROVIDER_HUGGINGFACE
    <BLANKLINE>
    """
    if limits is not None:
        limits.check_size(data)
    document = parse_yaml(data)
    message = document.read(message_type(type), validate=validate, limits=limits)
    for each in spelling_warnings(document, message):
        warn(each)
    return message


def spelling_warnings(document: ParsedValues, message: Message) -> Iterator[SpellingWarning]:
    """Yield a warning for each custom name of a document that may be misspelled.

    A name under the custom key of its vocabulary is not a misspelling.

    Args:
        document: The document.
        message: The message in it.
    """
    root = descriptor_of(message)
    for at, inside in walk(message):
        for vocabulary, steps, name in custom_names(inside):
            known = misspelled(vocabulary.enum, name) if vocabulary.enum is not None else None
            if known is None:
                continue
            path = (*at, *steps)
            steps_to_name = document.dialect.document_path(root, path, document.value)
            if not {vocabulary.name, vocabulary.json_name}.isdisjoint(steps_to_name[len(at)]):
                position = document.positions.find(steps_to_name)
                yield misspelling(name, known, format_path(path), position)


def parse_yaml(data: str | bytes) -> ParsedValues:
    """Parse a YAML document before its message type is known.

    Raises:
        DecodeError: The text is not one YAML document with JSON values.
    """
    text = decode_utf8(data)
    if _JSON_START.match(text):
        try:
            return ParsedValues(parsing.parse(text), JsonPositions(text), YAML)
        except DecodeError:
            # YAML in flow style.
            pass
    value, positions = parse(text)
    return ParsedValues(value, positions, YAML)


@dataclass(slots=True)
class _OpenCollection:
    """A collection whose end has not been parsed yet."""

    value: Any
    node: PositionTree
    anchor: str | None
    size: int = 1
    key: str | None = None
    keys: dict[str, Position] = field(default_factory=dict)


def parse(text: str) -> tuple[object, PositionTree]:
    """Parse a YAML document into JSON values and their positions.

    Raises:
        DecodeError: The text is not one YAML document with JSON values.
    """
    return _Composer().compose(text)


class _Composer:
    """Builds JSON values and their positions from the events of the YAML parser."""

    def __init__(self) -> None:
        self.stack: list[_OpenCollection] = []
        self.anchors: dict[str, tuple[object, PositionTree | Position, int]] = {}
        self.aliased = 0
        self.documents = 0
        self.has_content = False
        self.root: tuple[object, PositionTree] = (None, PositionTree(Position(1, 1)))

    def compose(self, text: str) -> tuple[object, PositionTree]:
        substitutes = _substitutes(text)
        originals = {ord(substitute): character for character, substitute in substitutes.items()}
        given = text
        for character, substitute in substitutes.items():
            given = given.replace(character, substitute)
        try:
            for event in yaml.parse(given, Loader=_Loader):
                if originals and isinstance(event, yaml.ScalarEvent):
                    event.value = event.value.translate(originals)
                self.take(event)
        except yaml.MarkedYAMLError as error:
            tab = _tab_in_indentation(text, error)
            if tab is not None:
                reason = "a tab in the indentation; indent with spaces"
                raise DecodeError(f"not YAML: {reason}", position=tab) from None
            mark = error.problem_mark
            position = Position(mark.line + 1, mark.column + 1) if mark is not None else None
            # libyaml reads ahead, and newer versions have their own limit on nesting.
            if "nesting depth" in str(error.problem):
                raise DecodeError(_TOO_DEEP, position=position) from None
            reason = f"not YAML: {error.problem}{_surrogate_advice(text, mark)}"
            raise DecodeError(reason, position=position) from None
        except (yaml.reader.ReaderError, UnicodeEncodeError):
            raise _forbidden_character(text) from None
        if not self.has_content:
            raise DecodeError("the document is empty", position=Position(1, 1))
        return self.root

    def take(self, event: yaml.Event) -> None:
        here = _position(event)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise DecodeError("expected one YAML document, got a second", position=here)
        elif isinstance(event, yaml.ScalarEvent):
            self.take_scalar(event, here)
        elif isinstance(event, yaml.AliasEvent):
            self.take_alias(event, here)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open(event, here)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self.stack.pop()
            if closed.anchor:
                self.anchors[closed.anchor] = (closed.value, closed.node, closed.size)
            self.put(closed.value, closed.node, closed.size)

    def open(self, event: yaml.CollectionStartEvent, here: Position) -> None:
        self.check_tag(
            event.tag, here, "map" if isinstance(event, yaml.MappingStartEvent) else "seq"
        )
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self.error("a key must be a scalar", here)
        if len(self.stack) >= MAX_YAML_DEPTH:
            raise self.error(_TOO_DEEP, here)
        if event.anchor:
            # An alias inside its own anchor would make an infinite document.
            self.anchors.pop(event.anchor, None)
        self.has_content = True
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.stack.append(_OpenCollection(value, PositionTree(here), event.anchor))

    def take_scalar(self, event: yaml.ScalarEvent, here: Position) -> None:
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self.check_tag(event.tag, here, *_SCALAR_TAGS)
            if event.value in parent.keys:
                first = parent.keys[event.value]
                raise self.error(f'duplicate key "{event.value}", first given at {first}', here)
            parent.key = event.value
            parent.keys[event.value] = here
            parent.node.keys[event.value] = here
            return
        # A document with comments or markers only has an empty scalar, or none.
        self.has_content = self.has_content or bool(event.value or event.style)
        value = self.resolve(event, here)
        if event.anchor:
            self.anchors[event.anchor] = (value, here, 1)
        self.put(value, here, 1)

    def take_alias(self, event: yaml.AliasEvent, here: Position) -> None:
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self.error("a key must be a scalar", here)
        if event.anchor not in self.anchors:
            raise self.error(f"undefined alias *{event.anchor}", here)
        value, node, size = self.anchors[event.anchor]
        self.aliased += size
        if self.aliased > MAX_ALIASED_VALUES:
            raise self.error(f"aliases expand to more than {MAX_ALIASED_VALUES} values", here)
        self.put(value, node, size)

    def put(self, value: object, node: PositionTree | Position, size: int) -> None:
        if not self.stack:
            self.root = (value, PositionTree(node) if isinstance(node, Position) else node)
            return
        parent = self.stack[-1]
        parent.size += size
        if isinstance(parent.value, list):
            parent.node.children[len(parent.value)] = node
            parent.value.append(value)
        elif parent.key is not None:
            parent.node.children[parent.key] = node
            parent.value[parent.key] = value
            parent.key = None

    def resolve(self, event: yaml.ScalarEvent, here: Position) -> object:
        """Return the JSON value of a scalar by the core schema, or by its core tag."""
        text = event.value
        tag = (event.tag or "").removeprefix(_CORE)
        self.check_tag(event.tag, here, *_SCALAR_TAGS)
        if tag in ("str", "!") or (not tag and not event.implicit[0]):
            return text
        value = self.resolve_plain(text, here)
        if tag and _TAG_OF.get(type(value)) != tag and (tag, type(value)) != ("float", int):
            raise self.error(f"{describe(text)} is not a !!{tag}", here)
        return value

    def resolve_plain(self, text: str, here: Position) -> object:
        """Return the JSON value of a plain scalar, which has no quotes, by the core schema."""
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        try:
            if _INT.fullmatch(text):
                return int(text)
            if _OCTAL.fullmatch(text):
                return int(text[2:], 8)
            if _HEX.fullmatch(text):
                return int(text[2:], 16)
        except ValueError:
            raise self.error("a number has too many digits", here) from None
        if _FLOAT.fullmatch(text):
            return parse_number(text)
        if _NOT_FINITE.fullmatch(text):
            return NotFinite(text.replace(".", "", 1))
        return text

    def check_tag(self, tag: str | None, here: Position, *known: str) -> None:
        if tag is not None and tag != "!" and tag not in {_CORE + name for name in known}:
            raise self.error(f"unsupported tag {tag[:80]}", here)

    def error(self, reason: str, here: Position) -> DecodeError:
        """Return an error at the current path."""
        path: list[Part] = []
        for level in self.stack:
            if isinstance(level.value, list):
                path.append(len(level.value))
            elif level.key is not None:
                path.append(MapKey(level.key) if "." in level.key else level.key)
        return DecodeError(reason, path=format_path(path), position=here)


def _substitutes(text: str) -> dict[str, str]:
    """Return an unused private-use character for each line break of YAML 1.1 in a text.

    Raises:
        DecodeError: The text uses all private-use characters.
    """
    breaks = [character for character in _YAML_1_1_BREAKS if character in text]
    if not breaks:
        return {}
    used = set(text)
    used.update(chr(int(match[1] or match[2], 16)) for match in _ESCAPE.finditer(text))
    free = (chr(code) for codes in _PRIVATE_USE for code in codes if chr(code) not in used)
    found = dict(zip(breaks, free, strict=False))
    if len(found) < len(breaks):
        raise DecodeError(f"cannot read U+{ord(breaks[-1]):04X} beside all private-use characters")
    return found


def _surrogate_advice(text: str, mark: Any) -> str:
    """Return the advice for an escaped surrogate pair of JSON at the position of an error."""
    # The position is that of the digits.
    match = None if mark is None else _SURROGATES.match(text, max(mark.index - 2, 0))
    if match is None:
        return ""
    character = json.loads(f'"{match.group()}"')
    return f"; YAML has no surrogate pairs: write {character} or \\U{ord(character):08X}"


def _tab_in_indentation(text: str, error: yaml.MarkedYAMLError) -> Position | None:
    """Return the position of a tab in the indentation of the lines of an error, if any."""
    marks = [mark.line for mark in (error.context_mark, error.problem_mark) if mark is not None]
    # Tabs are allowed inside brackets.
    if not marks or "flow" in str(error.context):
        return None
    lines = _LINE_BREAK.split(text, max(marks) + 1)[: max(marks) + 1]
    for number, line in enumerate(lines[min(marks) :], start=min(marks) + 1):
        indentation = line[: len(line) - len(line.lstrip(" \t"))]
        if "\t" in indentation:
            return Position(number, indentation.index("\t") + 1)
    return None


def _forbidden_character(text: str) -> DecodeError:
    """Return the error about the first character that YAML does not allow, even in quotes."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return DecodeError("not YAML: the text has a character that is not allowed")
    shown = f"U+{ord(found.group()):04X}"
    position = position_at(text, found.start())
    return DecodeError(f"not YAML: the character {shown} is not allowed", position=position)


def _position(event: yaml.Event) -> Position:
    mark: Any = event.start_mark
    return Position(mark.line + 1, mark.column + 1)


class _Writer(_Dumper):  # type: ignore[misc]  # the C dumper's base has no types
    """Writes JSON values in block style, text of several lines as literal blocks, no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(writer: Any, text: str) -> yaml.Node:
    literal = (
        "\n" in text
        and text == text.rstrip(" ")
        and all(line == line.rstrip() and line.isprintable() for line in text.split("\n"))
    )
    # PyYAML quotes strings that YAML 1.1 reads as other types. YAML 1.2 has more numbers. The line
    # breaks of YAML 1.1 are escaped, so that both versions read the same string.
    style = "|" if literal else "'" if _is_number(text) else None
    if any(character in text for character in _YAML_1_1_BREAKS):
        style = '"'
    node: yaml.Node = writer.represent_scalar(f"{_CORE}str", text, style=style)
    return node


def _is_number(text: str) -> bool:
    """Return whether unquoted text is a number in YAML 1.2."""
    return any(pattern.fullmatch(text) for pattern in (_INT, _OCTAL, _HEX, _FLOAT))


_Writer.add_representer(str, _represent_text)


def write(value: object) -> str:
    """Write JSON values as a YAML document in block style, with keys in the given order.

    Strings that YAML 1.1 or YAML 1.2 would read as another type are quoted.
    """
    text: str = yaml.dump(
        value,
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )
    return text
