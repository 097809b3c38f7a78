"""The releases of the specification that read a message, from the ages that the schema declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from crucible_ir.errors import Error, FieldError, shorten
from crucible_ir.paths import Part, format_path
from crucible_ir.schema.fields import Field, message_since, value_since
from crucible_ir.schema.unknown_fields import show_all_entries
from crucible_ir.schema.walk import expand, set_fields

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    #: Returns whether a message, without its new fields, breaks a rule of an old release.
    _BreaksOldRule: TypeAlias = Callable[[Any], bool]

#: The oldest release; what has no age in the schema is as old.
FIRST_RELEASE: Final = "0.2.0"

_RELEASE: Final = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


class ReleaseError(Error, ValueError):
    """A text is not the number of a release.

    >>> try:
    ...     _ = is_before("three", "0.3.0")
    ... except ReleaseError as error:
    ...     print(error)
    invalid release 'three': expected a number such as 0.2.0
    """


@dataclass(frozen=True, slots=True)
class NewerPart:
    """A part of a message that a release does not read.

    Attributes:
        path: The path of the part, in the syntax of `Violation.path`; empty for the whole message.
        since: The oldest release that reads it.
        subject: The part in words, such as ``the field refusal``.
    """

    path: str
    since: str
    subject: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.subject} is new in {self.since}"


def _without_content(message: Any) -> bool:
    return message.WhichOneof("content") is None and not message.tool_calls


#: The rules that a release relaxed: the message type, the release, what it allowed, and the old
#: rule. The releases before it reject what breaks the old rule.
_RELAXED_RULES: Final[Mapping[str, tuple[str, str, _BreaksOldRule]]] = {
    "crucible_ir.v1.Message": ("0.3.0", "a message without content", _without_content)
}


def requires(message: Message, *, binary: bool = False) -> str:
    """Return the oldest release that reads a message completely and accepts it, in every format.

    A field, a name of an enum or a message type is as old as the options ``since``,
    ``value_since`` and ``message_since`` of the schema say. Readers of JSON, YAML and text reject
    keys and names that they do not know; readers of binary keep new fields as unknown fields, which
    are not validated and not visible to programs. What a later release allows by a relaxed rule
    counts as well.

    Unknown fields, and enum numbers without a name, do not count: this release does not know their
    age.

    Args:
        message: A valid message of the IR. An invalid one is invalid in every release.
        binary: Whether to count only what readers of binary reject: a new member of a required
            oneof, such as `ContentPart.file` or a new content of a `Document`, a new name of a
            closed vocabulary, and what a relaxed rule allows.

    Raises:
        FieldError: The argument is not a message of the IR.

    >>> from crucible_ir import v1
    >>> version = v1.ModelVersion(id="v1", model_id="gpt2", version="1.0.0")
    >>> requires(version)
    '0.2.0'
    >>> version.tags.append("candidate")
    >>> requires(version), requires(version, binary=True)
    ('0.3.0', '0.2.0')
    """
    found = [part.since for part in newer_parts(message, FIRST_RELEASE, binary=binary)]
    return max(found, key=release_number, default=FIRST_RELEASE)


def newer_parts(message: Message, release: str, *, binary: bool = False) -> Iterator[NewerPart]:
    """Yield the parts of a message that a release does not read.

    The fields of a message come before those of the messages inside it. The content of a new field
    is not searched.

    Args:
        message: A message of the IR.
        release: The release, such as ``0.2.0``.
        binary: Whether to yield only what readers of binary reject, as for `requires`.

    Raises:
        FieldError: The argument is not a message of the IR.
        ReleaseError: The release is not a version number.
    """
    known = release_number(release)

    def is_new(since: str | None) -> bool:
        return since is not None and release_number(since) > known

    type_: Any = getattr(message, "DESCRIPTOR", None)
    if type_ is None or not type_.full_name.startswith("crucible_ir."):
        raise FieldError(f"expected a message of the IR, got {shorten(message)}")
    since = message_since(type_)
    if since is not None and is_new(since):
        yield NewerPart("", since, f"the message type {type_.name}")
        return
    # No recursion: messages in memory may be nested deeper than Python's stack allows.
    waiting: list[tuple[tuple[Part, ...], Message]] = [((), show_all_entries(message))]
    while waiting:
        path, inside = waiting.pop()
        nested: list[tuple[tuple[Part, ...], Message]] = []
        for steps, field, value in set_fields(inside):
            here = path + steps
            if field.since is not None and is_new(field.since):
                if not binary or _is_in_required_oneof(field):
                    yield NewerPart(format_path(here), field.since, f"the field {field.name}")
            elif field.enum is not None:
                yield from _newer_names(here, field, value, is_new, binary=binary)
            elif field.message is not None and field.message.full_name.startswith("crucible_ir."):
                nested += expand(here, field, value)
        relaxed = _RELAXED_RULES.get(_name_of(inside))
        if relaxed is not None and is_new(relaxed[0]) and relaxed[2](inside):
            yield NewerPart(format_path(path), relaxed[0], relaxed[1])
        waiting += reversed(nested)


def _newer_names(
    path: tuple[Part, ...],
    field: Field,
    value: Any,
    is_new: Callable[[str | None], bool],
    *,
    binary: bool,
) -> Iterator[NewerPart]:
    assert field.enum is not None
    for steps, number in expand(path, field, value):
        name = field.enum.values_by_number.get(number)
        since = value_since(name) if name is not None else None
        if name is None or since is None or not is_new(since):
            continue
        if not binary or _is_closed(field):
            yield NewerPart(format_path(steps), since, f"the name {name.name}")


def _name_of(message: Message) -> str:
    descriptor: Any = message.DESCRIPTOR
    name: str = descriptor.full_name
    return name


@cache
def _is_in_required_oneof(field: Field) -> bool:
    # Imported here because it is slow, and few messages need it.
    from crucible_ir.schema.rules import rules_of

    return any(
        (rule.field_path == field.oneof and rule.rule_id == "required")
        or (field.name in rule.exclusive_fields and rule.parameters["required"])
        for rule in rules_of(_owner(field))
    )


@cache
def _is_closed(field: Field) -> bool:
    from crucible_ir.schema.rules import is_closed_vocabulary

    return is_closed_vocabulary(field.descriptor)


def _owner(field: Field) -> Descriptor:
    return cast("Descriptor", field.descriptor.containing_type)


def is_before(release: str, other: str) -> bool:
    """Return whether a release is older than another.

    Raises:
        ReleaseError: A text is not the number of a release of this specification.
    """
    return release_number(release) < release_number(other)


@cache
def release_number(release: str) -> tuple[int, ...]:
    """Return the number of a release, for comparison.

    Raises:
        ReleaseError: The text is not the number of a release of this specification.

    >>> release_number("0.10.0") > release_number("0.9.1")
    True
    """
    match = _RELEASE.fullmatch(release)
    if match is None:
        raise ReleaseError(f"invalid release {shorten(release)}: expected a number such as 0.2.0")
    number = tuple(map(int, match.groups()))
    if release != FIRST_RELEASE and number < release_number(FIRST_RELEASE):
        raise ReleaseError(f"no release {release}: the oldest one is {FIRST_RELEASE}")
    return number
