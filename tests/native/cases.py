"""Payloads that every implementation must agree on: the published cases and all vectors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from validation.message_cases import MESSAGE_CLASSES, bases

import crucible_ir as ir
from crucible_ir.conformance.suites import NamedCase, select_cases, suite_folder

TESTS = Path(__file__).parents[1]
VECTORS = TESTS / "vectors"

#: The newest documents of `make release-image`; older ones are in the same files.
_RELEASED = sorted((TESTS / "compat").glob("*.documents.jsonl"))


@dataclass(frozen=True)
class Payload:
    """Bytes that may be a message.

    Attributes:
        label: Where they come from.
        name: The name of the message type.
        format: ``binary``, ``json`` or ``crucible-json``.
        data: The bytes.
    """

    label: str
    name: str
    format: str
    data: bytes


@cache
def published_cases() -> list[NamedCase]:
    """Return the cases of the conformance tests."""
    return select_cases(suite_folder())


@cache
def payloads() -> list[Payload]:
    """Return every payload of the published cases and vectors, and full messages of every type."""
    every = [*_published(), *_digests(), *_upstream(), *_released(), *_bases()]
    # Of equal ones, the first stays.
    return list({(each.name, each.format, each.data): each for each in reversed(every)}.values())


def lines_of(path: Path) -> list[Any]:
    """Return the values of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _published() -> Iterator[Payload]:
    for named in published_cases():
        request = named.case.request
        name = request.message_type.rpartition(".")[2]
        if name not in MESSAGE_CLASSES:
            continue
        if request.WhichOneof("payload") == "json":
            yield Payload(named.name, name, "json", request.json)
        else:
            yield Payload(named.name, name, "binary", request.binary)
        found = named.case.expected.evaluation
        if found.HasField("json"):
            yield Payload(f"{named.name}, expected", name, "json", found.json.encode())
        if named.case.expected.HasField("evaluation"):
            yield Payload(f"{named.name}, expected", name, "binary", found.binary)


def _digests() -> Iterator[Payload]:
    for path in sorted((VECTORS / "digest").glob("*.jsonl")):
        for vector in lines_of(path):
            label = f"digest/{path.stem}: {vector['name']}"
            if "json" in vector:
                yield Payload(label, vector["type"], "json", vector["json"].encode())
                yield Payload(label, vector["type"], "json", vector["canonical"].encode())
            else:
                data = base64.b64decode(vector["binary"])
                yield Payload(label, vector["type"], "binary", data)


def _upstream() -> Iterator[Payload]:
    for path in sorted(VECTORS.glob("upstream_*.jsonl")):
        for number, line in enumerate(lines_of(path), 1):
            value = line.get("input", line.get("document"))
            text = line["text"] if "text" in line else json.dumps(value)
            yield Payload(
                f"{path.stem} {number}",
                line["type"],
                "crucible-json",
                text.encode("utf-8", "surrogatepass"),
            )


def _released() -> Iterator[Payload]:
    for path in _RELEASED:
        for line in lines_of(path):
            label = f"{path.name}: {line['type']}, {line['name']}"
            yield Payload(label, line["type"], "binary", base64.b64decode(line["binary"]))
            for format in ("json", "crucible-json"):
                text = line[format.replace("-", "_")]
                # A message that the format cannot represent has none.
                if text is not None:
                    yield Payload(label, line["type"], format, text.encode())


def _bases() -> Iterator[Payload]:
    for name, class_ in MESSAGE_CLASSES.items():
        for number, data in enumerate(bases(name)):
            label = f"base {number} of {name}"
            message = class_.FromString(data)
            yield Payload(label, name, "binary", data)
            yield Payload(label, name, "json", ir.to_json(message).encode())
            # Crucible JSON cannot represent a part of a message without a type.
            with suppress(ir.EncodeError):
                yield Payload(label, name, "crucible-json", ir.to_crucible_json(message).encode())
