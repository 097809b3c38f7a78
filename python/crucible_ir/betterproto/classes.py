"""The dataclass of betterproto2 for each protobuf class and vice versa, and its fields."""

from __future__ import annotations

import dataclasses
import typing
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import betterproto2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from crucible_ir.betterproto.generated.message_pool import default_message_pool
from crucible_ir.errors import shorten
from crucible_ir.schema.fields import Field, describe_field
from crucible_ir.schema.types import UnknownTypeError, descriptor_of

_GENERATED = "crucible_ir.betterproto.generated"
_OWN_PREFIX = "crucible_ir."
_URL_PREFIX = "type.googleapis.com/"


class DataclassField(NamedTuple):
    """A field of a dataclass message.

    Attributes:
        name: The name of the attribute.
        schema: The field of the schema.
        type: The class of its value, of an item of its list or of a value of its map.
    """

    name: str
    schema: Field
    type: type


# Any, because mypy treats a message class, which is hashable, as a message, which is not.
@cache
def dataclass_of(class_: Any) -> type[betterproto2.Message]:
    """Return the dataclass for a protobuf class.

    Raises:
        UnknownTypeError: There is none, because the message is of another package.
    """
    descriptor = descriptor_of(class_)
    package = descriptor.file.package
    if package.startswith(_OWN_PREFIX):
        import_module(f"{_GENERATED}.{package}")
    found = default_message_pool.url_to_type.get(_URL_PREFIX + descriptor.full_name)
    if found is None:
        raise UnknownTypeError(f"crucible_ir.betterproto has no class for {descriptor.full_name}")
    return found


@cache
def protobuf_class_of(class_: type[betterproto2.Message]) -> type[Message]:
    """Return the protobuf class for a dataclass.

    Raises:
        UnknownTypeError: The dataclass is not one of this package.
    """
    url = default_message_pool.type_to_url.get(class_)
    if url is None:
        raise UnknownTypeError(f"{shorten(class_)} is not a class of crucible_ir.betterproto")
    package = class_.__module__.removeprefix(f"{_GENERATED}.")
    if package.startswith(_OWN_PREFIX):
        import_module(package)
    pool = descriptor_pool.Default()
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(url.removeprefix(_URL_PREFIX))
    )


@cache
def dataclass_fields(class_: type[betterproto2.Message]) -> tuple[DataclassField, ...]:
    """Return the fields of a dataclass message, in the order of the schema."""
    by_number = {field.number: field for field in descriptor_of(protobuf_class_of(class_)).fields}
    hints = typing.get_type_hints(class_)
    # Every generated class is a dataclass, although their base class is not.
    made: Any = class_
    declared: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(made)
    return tuple(
        DataclassField(
            field.name,
            describe_field(by_number[field.metadata["betterproto"].number]),
            _item_type(hints[field.name]),
        )
        for field in declared
    )


def _item_type(hint: Any) -> type:
    """Return the type `X` of a type hint `X | None`, `list[X]` or `dict[K, X]`.

    >>> _item_type(dict[str, float]), _item_type(int | None)
    (<class 'float'>, <class 'int'>)
    """
    inner = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    found: type = inner[-1] if inner else hint
    return found
