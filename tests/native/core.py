"""The native core without the package around it, on any tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

#: The tables of the schema, which `make generate` writes.
TABLES = Path(__file__).parents[2] / "native" / "core" / "tables.binpb"


@cache
def core() -> Core:
    """Return the core with the tables of the schema."""
    return Core(TABLES.read_bytes())


def panics() -> int:
    """Return how often the core has panicked in this process."""
    count: int = import_module("crucible_ir_native").panics()
    return count


class Core:
    """The native core with some tables.

    Args:
        tables: The content of `TABLES`, or of a changed copy.

    Raises:
        ValueError: The core cannot load the tables.
    """

    def __init__(self, tables: bytes) -> None:
        self._raw: Any = import_module("crucible_ir_native").Core(tables, orjson.dumps(1e16))
        self._types: dict[str, CoreType | None] = {}

    def type(self, full_name: str) -> CoreType:
        """Return the entry points for a message type."""
        if full_name not in self._types:
            raw = self._raw.message(full_name)
            self._types[full_name] = None if raw is None else CoreType(raw)
        found = self._types[full_name]
        if found is None:
            raise LookupError(f"the tables lack {full_name}")
        return found


class CoreType:
    """The entry points of the core for one message type.

    Attributes:
        raw: The message type of the module.
        writers: From binary to another format, by its name; ``None`` if the core is not certain.
        readers: From another format to binary, without validation.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.writers: dict[str, Callable[[bytes], bytes | None]] = {
            "json": _encoded(lambda data: raw.to_json(data, False)),
            "json-original-names": _encoded(lambda data: raw.to_json(data, True)),
            "crucible-json": _encoded(raw.to_crucible_json),
            "digest": _encoded(raw.digest),
        }
        self.readers: dict[str, Callable[[bytes], bytes | None]] = {
            "json": lambda text: raw.from_json(text, False),
            "crucible-json": lambda text: raw.from_crucible_json(text, False),
        }

    def is_valid(self, data: bytes) -> bool:
        """Return whether bytes are certainly a message that satisfies every rule."""
        return self.raw.check(data, False) is True

    def satisfies_rules(self, data: bytes) -> bool:
        """Return whether bytes that protobuf has read certainly satisfy every rule."""
        return self.raw.check(data, True) is True


def _encoded(write: Callable[[bytes], str | None]) -> Callable[[bytes], bytes | None]:
    def encode(data: bytes) -> bytes | None:
        text = write(data)
        return None if text is None else text.encode()

    return encode
