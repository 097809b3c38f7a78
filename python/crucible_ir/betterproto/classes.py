"""Which of betterproto2's classes stands for which of protobuf's, and what its fields hold."""

from __future__ import annotations

import dataclasses
import typing
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import betterproto2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from crucible_ir.betterproto.generated.message_pool import default_message_pool
from crucible_ir.errors import shorten
from crucible_ir.schema.types import UnknownTypeError, descriptor_of

_GENERATED = "crucible_ir.betterproto.generated"
_OWN_PREFIX = "crucible_ir."
_URL_PREFIX = "type.googleapis.com/"


class Field(NamedTuple):
    """A field of a dataclass message.

    Attributes:
        name: The name of the attribute.
        descriptor: The field in the schema.
        type: The class of one value of it, of its list or of its map.
    """

    name: str
    descriptor: FieldDescriptor
    type: type


# Typed as Any: mypy takes a message class, which can be hashed, for a message, which cannot.
@cache
def dataclass_of(class_: Any) -> type[betterproto2.Message]:
    """Return betterproto2's class for one of protobuf's.

    Raises:
        UnknownTypeError: There is none: the message is of another package.
    """
    descriptor = descriptor_of(class_)
    package = descriptor.file.package
    if package.startswith(_OWN_PREFIX):
        import_module(f"{_GENERATED}.{package}")
    found = default_message_pool.url_to_type.get(_URL_PREFIX + descriptor.full_name)
    if found is None:
        raise UnknownTypeError(f"betterproto2 has no class here for {descriptor.full_name}")
    return found


@cache
def protobuf_class_of(class_: type[betterproto2.Message]) -> type[Message]:
    """Return protobuf's class for one of betterproto2's.

    Raises:
        UnknownTypeError: There is none: the class is not one of this package's.
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
def fields_of(class_: type[betterproto2.Message]) -> tuple[Field, ...]:
    """Return the fields of a dataclass message, in the order of the schema."""
    by_number = {field.number: field for field in descriptor_of(protobuf_class_of(class_)).fields}
    hints = typing.get_type_hints(class_)
    # Every generated class is a dataclass, which their common base does not say.
    made: Any = class_
    declared: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(made)
    return tuple(
        Field(
            field.name,
            by_number[field.metadata["betterproto"].number],
            _item_type(hints[field.name]),
        )
        for field in declared
    )


def _item_type(hint: Any) -> type:
    """Return what a type hint says that one value is: `X` of `X | None`, `list[X]`, `dict[K, X]`.

    >>> _item_type(dict[str, float]), _item_type(int | None)
    (<class 'float'>, <class 'int'>)
    """
    inner = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    found: type = inner[-1] if inner else hint
    return found
