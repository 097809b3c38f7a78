"""What differs in several messages of a type, field by field, as their JSON has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.references import identity_fields
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json.crucible import to_crucible_json

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The most fields that are shown.
MOST_FIELDS: Final = 200
#: The most values of one message that are compared: opaque JSON may have any number.
_MOST_VALUES: Final = 5_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which messages differ.

    Attributes:
        path: The path of the field.
        values: Its value in each message; ``None`` where it is not set.
    """

    path: str
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Differences:
    """The fields of several messages.

    Attributes:
        different: Those in which they differ, in the order of the schema.
        equal: The paths of those that are set and equal in all.
        left_out: The number of fields that differ and are left out.
    """

    different: Sequence[Difference]
    equal: Sequence[str]
    left_out: int


def differences(messages: Sequence[Message]) -> Differences:
    """Compare messages of one type, apart from what identifies them.

    >>> from crucible_ir import v1
    >>> found = differences([v1.StageDef(name="a", module="M"), v1.StageDef(name="b", module="M")])
    >>> [each.path for each in found.different], found.equal
    ([], ['module'])
    """
    if not messages:
        return Differences([], [], 0)
    all_leaves = [dict(islice(_leaves(_values(message), ""), _MOST_VALUES)) for message in messages]
    order = {name: index for index, name in enumerate(fields_of(descriptor_of(messages[0])))}
    found = dict.fromkeys(path for leaves in all_leaves for path in leaves)
    different = []
    equal = []
    for path in sorted(
        found, key=lambda path: order.get(re.split(r"[.\[]", path, maxsplit=1)[0], 0)
    ):
        values = [leaves.get(path) for leaves in all_leaves]
        if any(not _same(value, values[0]) for value in values):
            different.append(Difference(path, values))
        elif values[0] is not None:
            equal.append(path)
    shown = different[:MOST_FIELDS]
    return Differences(shown, equal, len(different) - len(shown))


def _values(message: Message) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(to_crucible_json(message))
    for name in identity_fields(descriptor_of(message)):
        values.pop(name, None)
    return values


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values in JSON with their paths, without what is not set."""
    if isinstance(value, dict) and (value or not path):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif value is not None and value != []:
        yield path, value


def _same(one: object, other: object) -> bool:
    # 1 and true are equal in Python, and different values of fields.
    return type(one) is type(other) and one == other
