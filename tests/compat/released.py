"""The released schemas, and messages near the limits of the rules to compare them on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

from effort import examples
from google.protobuf.message import Message
from validation.message_cases import MESSAGE_CLASSES, bases, edited, edits, edits_at, sites

from crucible_ir.schema.fields import describe_field
from crucible_ir.schema_changes import SchemaVersion, find_schema

PACKAGE = "crucible_ir.v1"
FOLDER = Path(__file__).resolve().parent
RELEASES = sorted(FOLDER.glob("*.binpb"))


@cache
def released(image: Path) -> SchemaVersion:
    """Return the schema of a release, in a descriptor pool of its own."""
    return find_schema(str(image))


def number_of(image: Path) -> str:
    """Return the number of a release, given its descriptor set."""
    return image.name.removeprefix("crucible_ir-").removesuffix(".binpb")


def released_class(image: Path, type_name: str) -> type[Message] | None:
    """Return the class of a type in a release; ``None`` if the release does not have the type."""
    version = released(image)
    full_name = f"{PACKAGE}.{type_name}"
    return version.message_class(full_name) if full_name in version.messages else None


def messages(type_name: str, count: int = 300) -> Iterator[Message]:
    """Yield valid bases, each new field with each interesting value, and random edits of a base.

    Args:
        type_name: The type.
        count: The number of random edits on CI; elsewhere, there are fewer.
    """
    message_class = MESSAGE_CLASSES[type_name]
    found = bases(type_name)
    yield from (message_class.FromString(base) for base in found)
    for site in sites(message_class.FromString(found[0])):
        if describe_field(site.field).since is not None or site.field.enum_type is not None:
            yield from (edited(type_name, found[0], [edit]) for edit in edits_at(site))
    random = Random(type_name)
    for _ in range(examples(count)):
        base = random.choice(found)
        choices = edits(type_name, base)
        yield edited(type_name, base, random.choices(choices, k=random.choice((1, 1, 2))))
