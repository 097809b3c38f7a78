"""Type detection: the message type of a document, from the names of its top-level fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir import v1
from crucible_ir.errors import DecodeError, Error, near_miss, shorten_name
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.required_fields import required_fields
from crucible_ir.schema.types import (
    descriptor_of,
    document_members,
    message_type,
    message_types,
)
from crucible_ir.serialization.binary import ParsedBinary

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.schema.fields import Field
    from crucible_ir.serialization.formats import Format, ParsedDocument
    from crucible_ir.serialization.json.document import ParsedValues
    from crucible_ir.serialization.text import ParsedText

    #: The fields of each message type, by key.
    Fields: TypeAlias = Mapping[str, Mapping[str, Field]]

#: The most types that an error lists.
_LISTED = 6


class AmbiguousTypeError(Error, ValueError):
    """Several message types match a document, so the caller must name the type.

    Attributes:
        candidates: The names of the types that match; empty if the format has no field names.
    """

    def __init__(self, reason: str, candidates: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.candidates = tuple(candidates)


def detect_type(document: ParsedDocument, format_: Format) -> type[Message]:
    """Return the message type of a document.

    The candidates are ``Document`` and the types that a ``Document`` can contain. A text document
    has the type that has a field for every key, and whose required fields are all set if several
    types have such fields. Fields of later releases count only if no type of the first release has
    all keys, so that a newer schema does not change the type of an older document. A binary
    document has the numbers of fields and no names, so only ``Document`` is detected.

    Args:
        document: The parsed document.
        format_: Its format.

    Raises:
        DecodeError: No type has all fields of the document, or the document is not an object.
        AmbiguousTypeError: Several types match, or the format has no field names.

    >>> from crucible_ir.serialization.formats import FORMATS
    >>> json = FORMATS["json"]
    >>> detect_type(json.parse(b'{"name": "mmlu", "split": "SPLIT_TEST"}'), json).DESCRIPTOR.name
    'DatasetRef'
    """
    if isinstance(document, ParsedBinary):
        return _binary_type(document.data)
    keys = document.keys()
    crucible = format_.name == "crucible-json"
    fields = _fields_of_types(crucible)
    candidates = _candidates(fields, keys, first_release=True) or _candidates(fields, keys)
    if len(candidates) == 1:
        return message_type(candidates[0])
    if candidates:
        raise AmbiguousTypeError(f"it could be a {_list_names(candidates)}", candidates)
    raise _no_match(document, list(keys), fields, crucible=crucible)


def _candidates(
    fields: Fields, keys: Mapping[str, bool], *, first_release: bool = False
) -> list[str]:
    """Return the types with a field for every key; of several, those with all required fields.

    Args:
        fields: The fields of each type, by key.
        keys: The keys of the document, and whether each has a value.
        first_release: Whether only the fields of the first release count.
    """
    candidates = [
        name
        for name, known in fields.items()
        if all(
            key in known and not (first_release and known[key].since is not None) for key in keys
        )
    ]
    if len(candidates) > 1:
        complete = [name for name in candidates if _is_complete(name, fields[name], keys)]
        return complete or candidates
    return candidates


def _is_complete(name: str, fields: Mapping[str, Field], keys: Mapping[str, bool]) -> bool:
    present = {fields[key].name for key, has_value in keys.items() if has_value}
    return all(present & members for members in required_fields(descriptor_of(message_type(name))))


def _list_names(names: list[str]) -> str:
    more = len(names) - _LISTED
    if more > 1:
        return f"{', '.join(names[:_LISTED])} or one of {more} others"
    return f"{', '.join(names[:-1])} or {names[-1]}" if names[1:] else names[0]


def _no_match(
    document: ParsedValues | ParsedText, keys: list[str], fields: Fields, *, crucible: bool
) -> DecodeError:
    """Return the error for a document that matches no type; it names the most similar type."""

    def unknown(name: str) -> list[str]:
        return [key for key in keys if key not in fields[name]]

    def distance(name: str) -> tuple[int, bool, int]:
        """Return a key that orders the types, the most similar first."""
        strange = unknown(name)
        has_near_miss = bool(strange and near_miss(strange[0], fields[name]))
        return len(strange), not has_near_miss, len(fields[name])

    name = min(fields, key=distance)
    first, *others = unknown(name)
    parts = [
        part
        for part, known in _fields_of_types(crucible, parts=True).items()
        if known.keys() >= set(keys)
    ]
    if parts:
        reason = f"it could be a {_list_names(parts)}, a part of other messages; name the type"
        return DecodeError(reason, position=document.key_position(first))
    if 1 + len(others) < len(keys):
        reason = (
            f"no message type has all of its fields; the most similar type is {name}, which has no"
            f' field "{shorten_name(first)}"{near_miss(first, fields[name])}'
        )
    else:
        reason = f'no message type has a field "{shorten_name(first)}"'
        if others:
            reason += " or any other field of this document"
    return DecodeError(reason, position=document.key_position(first))


@cache
def _fields_of_types(crucible: bool, *, parts: bool = False) -> Fields:
    """Return the fields of each candidate, by key of Crucible JSON or of the other formats.

    Args:
        crucible: Whether the keys are those of Crucible JSON.
        parts: Whether to return those of the other types, which are parts of the candidates.
    """
    names = [*document_members(), v1.Document.DESCRIPTOR.name]
    if parts:
        names = [name for name in message_types() if name not in names]
    return {name: _fields(descriptor_of(message_type(name)), crucible) for name in names}


def _fields(message: Descriptor, crucible: bool) -> Mapping[str, Field]:
    fields = fields_of(message).values()
    if crucible:
        return {field.name: field for field in fields if field.custom_of is None}
    return {name: field for field in fields for name in (field.name, field.json_name)}


_VERSION = re.compile(r"\d+(\.\d+)+\S*")


def _binary_type(data: bytes) -> type[Message]:
    from google.protobuf.message import DecodeError as GoogleDecodeError

    try:
        document = v1.Document.FromString(data)
    except GoogleDecodeError:
        document = v1.Document()
    is_document = document.WhichOneof("content") and _VERSION.fullmatch(document.ir_version)
    if is_document and not len(UnknownFieldSet(document)):
        return v1.Document
    raise AmbiguousTypeError(
        "binary has field numbers and no names, so only the type of a Document can be detected"
    )
