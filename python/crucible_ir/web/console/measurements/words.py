"""The words of vocabularies in messages: short names, or the sender's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.message import Message


def word_of(message: Message, name: str) -> str:
    """Return the value of an enum field by its short name, or the custom name in its place.

    >>> from crucible_ir import v1
    >>> canary = v1.DeploymentStrategy.DEPLOYMENT_STRATEGY_CANARY
    >>> word_of(v1.DeploymentConfig(strategy=canary), "strategy")
    'canary'
    >>> word_of(v1.DeploymentConfig(custom_strategy="by_hand"), "strategy")
    'by_hand'
    >>> word_of(v1.DeploymentConfig(), "strategy")
    ''
    """
    field = fields_of(descriptor_of(message))[name]
    if field.custom is not None and (custom := getattr(message, field.custom)):
        return str(custom)
    number = getattr(message, name)
    if not number or field.enum is None:
        return ""
    return vocabulary.names(field.enum).get(number, str(number))
