"""The tables of the native core describe every message type in Crucible JSON as Python has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir.schema.types import message_types
from native_tables import crucible
from native_tables.format import message_classes

ROOT = Path(__file__).resolve().parents[2]
SHAPE_OBJECT = 0


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    """The tables of the message types by full name."""
    loaded = message_classes()["Tables"]()
    loaded.ParseFromString((ROOT / "native/core/tables.binpb").read_bytes())
    return {message.name: message for message in loaded.messages}


def test_no_message_type_is_left_to_python(tables: dict[str, Any]) -> None:
    described = {name for name, message in tables.items() if message.HasField("crucible")}
    own = {name for name in crucible.described_types() if name.startswith("crucible_ir.")}
    assert len(own) > 40
    assert described == own


def test_an_empty_message_is_the_keys_of_unset_fields(tables: dict[str, Any]) -> None:
    for type_ in message_types().values():
        table = tables[type_.DESCRIPTOR.full_name].crucible
        if table.shape == SHAPE_OBJECT:
            members = [f'"{key.name}":{key.unset}' for key in table.keys if key.HasField("unset")]
            assert ir.to_crucible_json(type_()) == f"{{{','.join(members)}}}"


def test_an_empty_object_is_the_defaults(tables: dict[str, Any]) -> None:
    for type_ in message_types().values():
        table = tables[type_.DESCRIPTOR.full_name].crucible
        if table.shape == SHAPE_OBJECT:
            message = ir.from_crucible_json("{}", type_, validate=False)
            assert type_.FromString(b"".join(key.default for key in table.keys)) == message
