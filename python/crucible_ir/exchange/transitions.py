"""What a new revision of a document changes that is more than its content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from crucible_ir import v1
from crucible_ir.exchange.content import indexed_fields, set_values, value_text
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
    """

    promotion: Mapping[str, str] = field(default_factory=dict)


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
    >>> transition_to(v1.Prompt()) is None
    True
    """
    if not _lifecycle_fields(descriptor_of(content)):
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
    return Transition(promotion)


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
