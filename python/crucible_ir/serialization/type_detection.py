"""Which message type a document is of, told from its fields' names where only one type fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from crucible_ir import v1
from crucible_ir.errors import DecodeError, Error, Position, near_miss
from crucible_ir.schema.types import descriptor_of, document_members, message_type
from crucible_ir.schema.vocabulary import custom_members
from crucible_ir.serialization import yaml_text
from crucible_ir.serialization.json import parsing
from crucible_ir.serialization.json.opaque import describe

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import Format
    from crucible_ir.serialization.positions import LocatedNode

#: How many types an error lists when a document could be any of them.
_LISTED = 6

#: The top-level keys of a document: whether each holds something.
_Keys: TypeAlias = dict[str, bool]
_Locate: TypeAlias = Callable[[str], Position | None]


class AmbiguousTypeError(Error, ValueError):
    """A document does not say of which type it is: it has to be told.

    Attributes:
        candidates: The names of the types that fit; none where the form has no names of fields.
    """

    def __init__(self, reason: str, candidates: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.candidates = tuple(candidates)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What tells a message type from others.

    Attributes:
        fields: The names of the fields by every spelling that the form takes.
        required: For each thing that must be there, the fields of which one has to be set.
    """

    fields: Mapping[str, str]
    required: tuple[frozenset[str], ...]


def detect_type(data: bytes, form: Format) -> type[Message]:
    """Return the message type of a document.

    A text document names its fields. Its type is the one message type that stands alone (or
    ``Document``) whose fields include all of them, with nothing that is required missing; failing
    that, the one that knows all of them. A binary document holds the numbers of its fields and
    nothing to tell one type's from another's, so its type is told only if it is a ``Document``.

    Args:
        data: The content of the file.
        form: The form of the file.

    Raises:
        DecodeError: The data is not of this form, or no type has such fields.
        AmbiguousTypeError: Several types have such fields, or the form has no names.

    >>> from crucible_ir.serialization.formats import FORMATS
    >>> detect_type(b'{"name": "mmlu", "split": "SPLIT_TEST"}', FORMATS["json"]).DESCRIPTOR.name
    'DatasetRef'
    """
    if not form.is_text:
        return _binary_type(data)
    keys, locate = _READ_KEYS[form.name](data)
    shapes = _shapes(form.name == "crucible-json")
    knowing = [name for name, shape in shapes.items() if shape.fields.keys() >= keys.keys()]
    complete = [name for name in knowing if _is_complete(shapes[name], keys)]
    fitting = complete or knowing
    if len(fitting) == 1:
        return message_type(fitting[0])
    if fitting:
        raise AmbiguousTypeError(f"it could be a {_listed(fitting)}", fitting)
    raise _nearest(keys, shapes, locate)


def _is_complete(shape: _Shape, keys: _Keys) -> bool:
    present = {shape.fields[key] for key, is_set in keys.items() if is_set}
    return all(present & members for members in shape.required)


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    shown = names if more <= 1 else names[:_LISTED]
    if more > 1:
        return f"{', '.join(shown)} or one of {more} others"
    return f"{', '.join(shown[:-1])} or {shown[-1]}"


def _nearest(keys: _Keys, shapes: Mapping[str, _Shape], locate: _Locate) -> DecodeError:
    """Return the error for a document that no type fits, about the type that fits it best."""

    def unknown(name: str) -> list[str]:
        return [key for key in keys if key not in shapes[name].fields]

    name = min(shapes, key=lambda name: (len(unknown(name)), len(shapes[name].fields)))
    strange = unknown(name)
    if len(strange) == len(keys):
        return DecodeError(
            f'no message type has a field "{_short(strange[0])}", or any other of this document'
            if len(keys) > 1
            else f'no message type has a field "{_short(strange[0])}"',
            position=locate(strange[0]),
        )
    return DecodeError(
        f"no message type has all of its fields; the nearest is {name}, which has no field"
        f' "{_short(strange[0])}"{near_miss(strange[0], shapes[name].fields)}',
        position=locate(strange[0]),
    )


def _short(key: str) -> str:
    return key if len(key) <= 64 else f"{key[:64]}…"


@cache
def _shapes(crucible: bool) -> dict[str, _Shape]:
    """Return the shape of every type that a document can be of, in Crucible JSON or not."""
    names = [*document_members(), v1.Document.DESCRIPTOR.name]
    return {name: _shape(descriptor_of(message_type(name)), crucible) for name in names}


def _shape(message: Descriptor, crucible: bool) -> _Shape:
    # Imported here: reading the rules takes protovalidate, which takes long to import.
    from crucible_ir.schema.rules import rules_of

    hidden = custom_members(message) if crucible else frozenset()
    fields = {field.name: field.name for field in message.fields if field.name not in hidden}
    if not crucible:
        fields |= {field.json_name: field.name for field in message.fields}
    required = [
        _members(message, rule.field_path)
        for rule in rules_of(message)
        if rule.parameters.get("required") or rule.parameters.get("min_items")
    ]
    return _Shape(fields, tuple(required))


def _members(message: Descriptor, path: str) -> frozenset[str]:
    oneof = message.oneofs_by_name.get(path)
    return frozenset([path] if oneof is None else [field.name for field in oneof.fields])


def _json_keys(data: bytes) -> tuple[_Keys, _Locate]:
    text = parsing.decode_utf8(data)
    return _object_keys(parsing.parse(text), lambda: parsing.locate(text))


def _yaml_keys(data: bytes) -> tuple[_Keys, _Locate]:
    plain, node = yaml_text.parse(parsing.decode_utf8(data))
    return _object_keys(plain, lambda: node)


def _object_keys(plain: object, locate: Callable[[], LocatedNode]) -> tuple[_Keys, _Locate]:
    if not isinstance(plain, dict):
        raise DecodeError(f"expected an object, got {describe(plain)}", position=Position(1, 1))
    keys = {key: value is not None for key, value in plain.items()}
    return keys, lambda key: locate().keys.get(key)


_TEXT_TOKEN = re.compile(
    r"""
    \#[^\n]*                                          # a comment
    | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'       # a string
    | [{}<>\[\]]                                      # what nests
    | (?P<name>[A-Za-z_]\w*)(?=\s*[:{<])              # a field's name
    """,
    re.VERBOSE | re.ASCII,
)


def _text_keys(data: bytes) -> tuple[_Keys, _Locate]:
    """Find the names of a text format document's own fields, by how deep they are nested."""
    text = parsing.decode_utf8(data)
    depth = 0
    offsets: dict[str, int] = {}
    for token in _TEXT_TOKEN.finditer(text):
        symbol = token.group()
        if symbol in "{<[":
            depth += 1
        elif symbol in "}>]":
            depth -= 1
        elif depth == 0 and token["name"]:
            offsets.setdefault(symbol, token.start())

    def locate(key: str) -> Position:
        before = text[: offsets[key]]
        return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))

    return dict.fromkeys(offsets, True), locate


_READ_KEYS: dict[str, Callable[[bytes], tuple[_Keys, _Locate]]] = {
    "json": _json_keys,
    "crucible-json": _json_keys,
    "yaml": _yaml_keys,
    "text": _text_keys,
}

_VERSION = re.compile(r"\d+(\.\d+)+\S*")


def _binary_type(data: bytes) -> type[Message]:
    from google.protobuf.message import DecodeError as GoogleDecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet

    try:
        document = v1.Document.FromString(data)
    except GoogleDecodeError:
        document = v1.Document()
    is_document = document.WhichOneof("content") and _VERSION.fullmatch(document.ir_version)
    if is_document and not len(UnknownFieldSet(document)):
        return v1.Document
    raise AmbiguousTypeError(
        "binary holds the numbers of fields, not their names, so only a Document says of which"
        " type it is"
    )
