"""What a new revision of a document changes that is more than its content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from crucible_ir import v1
from crucible_ir.exchange.content import indexed_fields, set_values, value_text
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import content_of, descriptor_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.schema.fields import Field

#: A change of a field with one of these enums is a promotion.
_LIFECYCLES = (v1.ModelStage.DESCRIPTOR, v1.DeploymentState.DESCRIPTOR)


@dataclass(frozen=True, slots=True)
class Transition:
    """What a document changes in an earlier revision of it.

    Attributes:
        promotion: The earlier and the new values of fields for a stage or a state, such as
            ``stage.from`` and ``stage.to``; empty for a value that is unset.
        immutable: The fields with the option ``immutable`` that have another value, or are set in
            only one of the two.
    """

    promotion: Mapping[str, str] = field(default_factory=dict)
    immutable: tuple[str, ...] = ()


def transition_to(content: Message) -> Callable[[bytes], Transition] | None:
    """Return a function from an earlier serialized ``Document`` to what the content changes in it.

    Returns:
        The function; ``None`` if nothing of the content's type matters.

    >>> from crucible_ir.exchange.transitions import transition_to
    >>> staging, production = (
    ...     v1.ModelVersion(id="m1", stage=f"MODEL_STAGE_{stage}")
    ...     for stage in ("STAGING", "PRODUCTION")
    ... )
    >>> earlier = v1.Document(model_version=staging).SerializeToString()
    >>> transition_to(production)(earlier).promotion
    {'stage.from': 'staging', 'stage.to': 'production'}
    >>> other = v1.ModelVersion(id="m1", model_id="gpt2", training_run_id="run_1")
    >>> transition_to(other)(earlier).immutable
    ('model_id', 'training_run_id')
    >>> transition_to(v1.Prompt()) is None
    True
    """
    descriptor = descriptor_of(content)
    if not _lifecycle_fields(descriptor) and not _immutable_fields(descriptor):
        return None
    return partial(_transition, content)


def _transition(content: Message, earlier: bytes) -> Transition:
    try:
        before = content_of(v1.Document.FromString(earlier))
    except DecodeError:
        before = None
    descriptor = descriptor_of(content)
    if before is None or before.DESCRIPTOR is not descriptor:
        return Transition()
    promotion = {}
    for name, members in _lifecycle_fields(descriptor).items():
        old, new = _text(before, members), _text(content, members)
        if old != new:
            promotion.update({f"{name}.from": old, f"{name}.to": new})
    immutable = (
        each.name
        for each in _immutable_fields(descriptor)
        if _only(before, each) != _only(content, each)
    )
    return Transition(promotion, tuple(immutable))


@cache
def _immutable_fields(descriptor: Descriptor) -> tuple[Field, ...]:
    """Return the fields of a type that keep their values once a document is stored."""
    return tuple(each for each in fields_of(descriptor).values() if each.immutable)


def _only(message: Message, each: Field) -> Message:
    """Return a message with one field of another, so that the comparison is that of messages."""
    copy = type(message)()
    if not each.has_presence or message.HasField(each.name):
        copy = type(message)(**{each.name: getattr(message, each.name)})
    return copy


@cache
def _lifecycle_fields(descriptor: Descriptor) -> dict[str, tuple[Field, ...]]:
    """Return the fields for a stage or a state, each with the members that contain its value."""
    return {
        name: members
        for name, members in indexed_fields(descriptor).items()
        if members[0].enum in _LIFECYCLES
    }


def _text(message: Message, members: tuple[Field, ...]) -> str:
    for member in members:
        for value in set_values(message, member):
            if text := value_text(member, value):
                return text
    return ""
