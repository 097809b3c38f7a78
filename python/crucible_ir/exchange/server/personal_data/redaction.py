"""Redaction of feedback events: hashed ids of people and sessions, and masked texts."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping, Sequence
from functools import cache
from itertools import chain, count
from typing import Any, Final, cast

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange.server.personal_data.patterns import (
    Mask,
    mask_addresses,
    may_match,
)
from crucible_ir.schema.fields import Field, Kind, fields_of

#: The fields that identify a person or a session: only hashes of them are stored.
HASHED_FIELDS: Final = ("user_id", "session_id")

#: What a hash begins with, and its number of bytes.
HASH_PREFIX: Final = "redacted-"
_HASH_BYTES: Final = 16


@cache
def text_fields() -> tuple[Field, ...]:
    """Return the fields of an event whose texts are masked: all but hashed ones and references.

    >>> [field.name for field in text_fields()][:3]
    ['input', 'output', 'custom_feedback_type']
    """
    return tuple(
        field
        for field in fields_of(ir_v1.FeedbackEvent.DESCRIPTOR).values()
        if (field.kind is Kind.STRING or field.is_opaque)
        and not field.identity
        and field.reference is None
        and field.name not in HASHED_FIELDS
    )


class Redactor:
    """Redacts feedback events.

    Args:
        key: The key of the hashes, which is the same on every server of a store.
        own_masks: The operator's own patterns, from `operator_masks`.
    """

    def __init__(self, key: bytes, own_masks: Sequence[Mask] = ()) -> None:
        # A copy of one takes less time than a new one.
        self._hashes = {
            name: hashlib.blake2b(digest_size=_HASH_BYTES, key=key, person=name.encode())
            for name in HASHED_FIELDS
        }
        self._own_masks = own_masks

    def hashed(self, field: str, value: str) -> str:
        """Return the text that is stored in place of the id of a person or session.

        Args:
            field: One of `HASHED_FIELDS`.
            value: The id.

        >>> Redactor(b"key").hashed("user_id", "ann")
        'redacted-30a3bb4fddcffaa1a9db24cc4809c26b'
        """
        digest = self._hashes[field].copy()
        digest.update(value.encode())
        return HASH_PREFIX + digest.hexdigest()

    def redacted(self, content: bytes, *, has_unknown_fields: bool = True) -> ir_v1.FeedbackEvent:
        """Return the redacted event of its serialized bytes, without its unknown fields.

        Args:
            content: The bytes.
            has_unknown_fields: Whether the event may have some.
        """
        event = ir_v1.FeedbackEvent.FromString(content)
        if has_unknown_fields:
            # Their texts may be personal.
            event.DiscardUnknownFields()
        for name in HASHED_FIELDS:
            value = getattr(event, name)
            if value:
                setattr(event, name, self.hashed(name, value))
        if self._own_masks or may_match(content):
            for field in text_fields():
                self._mask_field(event, field)
        return event

    def _mask_field(self, event: ir_v1.FeedbackEvent, field: Field) -> None:
        if field.kind is Kind.STRING:
            text = getattr(event, field.name)
            masked = self.masked(text)
            if masked != text:
                setattr(event, field.name, masked)
        elif event.HasField(cast("Any", field.name)):
            self._mask_json(getattr(event, field.name))

    def _mask_json(self, json: Struct | ListValue | Value) -> None:
        """Mask the texts in opaque JSON, keys included."""
        if isinstance(json, Value):
            match json.WhichOneof("kind"):
                case "string_value":
                    masked = self.masked(json.string_value)
                    if masked != json.string_value:
                        json.string_value = masked
                case "struct_value":
                    self._mask_json(json.struct_value)
                case "list_value":
                    self._mask_json(json.list_value)
        elif isinstance(json, ListValue):
            for item in json.values:
                self._mask_json(item)
        else:
            for value in json.fields.values():
                self._mask_json(value)
            self._mask_keys(json.fields)

    def _mask_keys(self, fields: MutableMapping[str, Value]) -> None:
        """Mask keys; those that become equal are numbered, so that no value is lost."""
        for key in sorted(fields):
            masked = self.masked(key)
            if masked == key:
                continue
            value = Value()
            value.CopyFrom(fields.pop(key))
            names = chain([masked], (f"{masked} {number}" for number in count(2)))
            name = next(name for name in names if name not in fields)
            fields[name].CopyFrom(value)

    def masked(self, text: str) -> str:
        """Return a text with its addresses and matches of the operator's patterns masked."""
        text = mask_addresses(text)
        for mask in self._own_masks:
            text = mask(text)
        return text
