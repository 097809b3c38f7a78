"""Documents of every message type as a release writes them, for tests of later releases.

For each type there are messages with every field set, which cover every member of its oneofs and
every name of its vocabularies; messages with values at the limits of the rules; and the smallest
valid message. Values are the first of a list of candidates that the rules allow.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import crucible_ir as ir
from crucible_ir.schema.fields import Kind, describe_field
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of

#: Candidates for the values of each type; the first one that the rules allow is used.
ORDINARY: dict[Kind, Sequence[Any]] = {
    Kind.STRING: ("{name} 1", "1.2.3-rc.1+build.5", "sha256:6c3c624b58db", "a"),
    Kind.DOUBLE: (2.5, 0.25, 0.0),
    Kind.INT32: (3, 1, 0),
    Kind.INT64: (2**53 + 1, 3, 1, 0),
    Kind.BOOL: (True, False),
}
EXTREME: dict[Kind, Sequence[Any]] = {
    Kind.STRING: ('\u00e9\u4e2d\U0001f600 "\\\n\t\u2028', "0.0.0", "a+b.c:-_=", "0"),
    Kind.DOUBLE: (math.nan, math.inf, 1.7976931348623157e308, 100.0, 1.0, 5e-324),
    Kind.INT32: (-(2**31), 2**31 - 1, 1, 0),
    Kind.INT64: (-(2**63), 2**63 - 1, 1, 0),
    Kind.BOOL: (False, True),
}
LEAST: dict[Kind, Sequence[Any]] = {
    Kind.STRING: ("", "\0", "0.0.0", "a:b", "0"),
    Kind.DOUBLE: (-math.inf, -0.0, 5e-324, 0.0, 1.0),
    Kind.INT32: (0, 1),
    Kind.INT64: (0, 1),
    Kind.BOOL: (False, True),
}

#: ProtoJSON of the messages of other packages, by the name of their type and set of candidates.
FOREIGN: dict[str, dict[str, str]] = {
    "Struct": {
        "ordinary": '{"limit": 2.5, "flags": [true, null, "x"], "inner": {"a": {}}}',
        "extreme": '{"\u00e9\\"\\n": [[], {}, -1.7976931348623157e308, 9007199254740992]}',
        "least": "{}",
    },
    "Value": {"ordinary": '{"stars": 4}', "extreme": '[null, -0.5, "\u4e2d"]', "least": "false"},
    "Timestamp": {
        "ordinary": '"2025-12-26T12:00:00.5Z"',
        "extreme": '"9999-12-31T23:59:59.999999999Z"',
        "least": '"0001-01-01T00:00:00Z"',
    },
}
SETS = {"ordinary": ORDINARY, "extreme": EXTREME, "least": LEAST}

#: The number of levels of messages with every field set; below, only required fields are set.
DEPTH = 2

#: An enum number without a name in this release, as a newer peer may send.
UNKNOWN_NUMBER = 2**30


@dataclass(frozen=True, slots=True)
class ReleasedDocument:
    """A message in every format, as a release wrote it.

    Attributes:
        name: A name that is unique for its type.
        type: The name of its type.
        binary: Its protobuf encoding in base64.
        json: Its ProtoJSON.
        crucible_json: Its Crucible JSON; ``None`` if it cannot be represented.
        digest: Its digest.
        crucible_digest: The digest of the message that the Crucible JSON decodes to.
    """

    name: str
    type: str
    binary: str
    json: str
    crucible_json: str | None
    digest: str
    crucible_digest: str | None


def documents_file(image: Path) -> Path:
    """Return the file of a release's documents, given its descriptor set."""
    return image.with_name(f"{image.name.removesuffix('.binpb')}.documents.jsonl")


def write_documents() -> str:
    """Return the documents of this release as JSON lines in ASCII, which no tool changes."""
    return "".join(json.dumps(asdict(each)) + "\n" for each in documents())


def documents() -> Iterator[ReleasedDocument]:
    """Yield valid, distinct documents of every type."""
    for type_name, cls in ir.MESSAGE_TYPES.items():
        seen: set[bytes] = set()
        for name, message in messages(cls):
            binary = message.SerializeToString(deterministic=True)
            if binary not in seen:
                seen.add(binary)
                yield document(name, type_name, message)


def messages(cls: type[Message]) -> Iterator[tuple[str, Message]]:
    """Yield valid messages of a type with their names."""
    smallest = Filler("ordinary").smallest(cls)
    yield "only what is required", smallest
    yield "defaults filled in", ir.with_defaults(smallest)
    for choice in range(choices(cls)):
        yield f"every field, choice {choice}", Filler("ordinary", choice).full(cls)
    yield "extreme values", Filler("extreme").full(cls)
    yield "least values", Filler("least", 1).full(cls)
    yield "numbers of a newer vocabulary", Filler("newer").full(cls)


def choices(cls: type[Message]) -> int:
    """Return the number of messages that cover every oneof member and name of a type's fields."""
    fields = descriptor_of(cls).fields
    return max([1, *(len(members_beside(field)) * max(1, len(names(field))) for field in fields)])


def members_beside(field: FieldDescriptor) -> Sequence[FieldDescriptor]:
    """Return the members of a field's oneof or of its rule `message.oneof`, or the field alone."""
    oneof, message = field.containing_oneof, field.containing_type
    if oneof is not None and len(oneof.fields) > 1:
        return list(oneof.fields)
    for rule in rules_of(message) if message is not None else ():
        if message is not None and field.name in rule.exclusive_fields:
            return [message.fields_by_name[name] for name in rule.exclusive_fields]
    return [field]


def names(field: FieldDescriptor) -> list[int]:
    """Return the numbers of a field's vocabulary, without 0."""
    enum = field.enum_type
    return [] if enum is None else [value.number for value in enum.values if value.number]


class Filler:
    """Creates messages with values that the rules allow.

    Args:
        candidates: The set of candidates; ``newer`` for ordinary ones with unknown numbers in open
            vocabularies.
        choice: The index of the member of each oneof, and of the name of each vocabulary, to set.
    """

    def __init__(self, candidates: str, choice: int = 0) -> None:
        self.is_newer = candidates == "newer"
        self.candidates = "ordinary" if self.is_newer else candidates
        self.choice = choice

    def full(self, cls: type[Message], depth: int = DEPTH) -> Message:
        """Return a message with every field set, also in nested messages down to a depth."""
        made = cls()
        for field in descriptor_of(cls).fields:
            if self.is_chosen(field):
                self.fill(made, field, lambda inner: self.nested(inner, depth))
        return ir.validate(made)

    def nested(self, cls: type[Message], depth: int) -> Message:
        """Return a message for a field of another message."""
        return self.full(cls, depth - 1) if depth > 1 else self.smallest(cls)

    def smallest(self, cls: type[Message], inside: tuple[str, ...] = ()) -> Message:
        """Return a valid message from which no field can be cleared.

        Args:
            cls: Its type.
            inside: The full names of the enclosing messages.
        """
        within = (*inside, descriptor_of(cls).full_name)
        made = cls()
        for field in descriptor_of(cls).fields:
            inner = field.message_type
            if self.is_chosen(field) and (inner is None or inner.full_name not in within):
                self.fill(made, field, lambda inner: self.smallest(inner, within))
        for field, _ in made.ListFields():
            kept = made.SerializeToString()
            made.ClearField(field.name)
            if not ir.is_valid(made):
                made.ParseFromString(kept)
        return ir.validate(made)

    def is_chosen(self, field: FieldDescriptor) -> bool:
        """Return whether a field is the member of its oneof to set."""
        beside = members_beside(field)
        return beside[self.choice % len(beside)].name == field.name

    def fill(
        self, message: Any, field: FieldDescriptor, nested: Callable[[type[Message]], Message]
    ) -> None:
        """Set a field; a list or map to two values.

        Args:
            message: The message to change.
            field: The field.
            nested: Creates a nested message of the schema, given its type.
        """
        target = getattr(message, field.name)
        described = describe_field(field)
        if described.is_map:
            for key in ("b", "a"):
                target[key] = SETS[self.candidates][described.kind][0]
        elif described.message is None:
            self.fill_scalar(message, field)
        else:
            for each in [target.add(), target.add()] if described.is_list else [target]:
                each.CopyFrom(self.message_of(described.message, nested))
                each.SetInParent()

    def message_of(self, inner: Descriptor, nested: Callable[[type[Message]], Message]) -> Message:
        """Return a message of the schema or of another package."""
        cls = GetMessageClass(inner)
        if inner.name in FOREIGN:
            return json_format.Parse(FOREIGN[inner.name][self.candidates], cls())
        return nested(cls)

    def fill_scalar(self, message: Any, field: FieldDescriptor) -> None:
        """Set a field to the first candidate that its rules allow; a list to two of it."""
        for value in self.scalars(field):
            alone: Any = type(message)()
            if field.is_repeated:
                getattr(alone, field.name).extend([value, value])
            else:
                setattr(alone, field.name, value)
            broken = {violation.path.partition("[")[0] for violation in ir.violations(alone)}
            if field.name not in broken:
                message.MergeFrom(alone)
                return
        raise ValueError(f"no valid candidate for {field.full_name}: add one")

    def scalars(self, field: FieldDescriptor) -> Sequence[Any]:
        """Return the candidates for a scalar field."""
        if field.enum_type is not None:
            known = names(field)
            index = self.choice // len(members_beside(field)) % len(known)
            return [*([UNKNOWN_NUMBER] if self.is_newer else []), known[index]]
        kind = describe_field(field).kind
        if kind not in (Kind.STRING, Kind.BYTES):
            return SETS[self.candidates][kind]
        texts = [text.format(name=field.name) for text in SETS[self.candidates][Kind.STRING]]
        return [text.encode() for text in texts] if kind is Kind.BYTES else texts


def document(name: str, type_name: str, message: Message) -> ReleasedDocument:
    """Return a message in every format.

    Raises:
        ValueError: A format does not decode to the same message.
    """
    binary, text = ir.to_binary(message), ir.to_json(message)
    digest = ir.digest(message)
    for read in (ir.from_binary(binary, type_name), ir.from_json(text, type_name)):
        if ir.digest(read) != digest:
            raise ValueError(f"{type_name}, {name}: does not decode to the same message")
    crucible, crucible_digest = None, None
    try:
        written = ir.to_crucible_json(message)
        crucible_digest = ir.digest(ir.from_crucible_json(written, type_name))
        crucible = written
    except (ir.EncodeError, ir.DecodeError):
        # A number without a name, or a part that can only be written in its parent message.
        pass
    encoded = base64.b64encode(binary).decode("ascii")
    return ReleasedDocument(name, type_name, encoded, text, crucible, digest, crucible_digest)
