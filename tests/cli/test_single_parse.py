"""Every command parses each input file once: the type is detected on the parsed document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from cli.command_line import run
from google.protobuf import text_format

from crucible_ir import v1
from crucible_ir.cli.commands.exchange.connection import Server
from crucible_ir.serialization import yaml
from crucible_ir.serialization.formats import FORMATS

#: Valid, but a lint warns of the control character in its name.
DATASET = v1.DatasetRef(
    name="mm\x07lu", version="2024-09", split=v1.DatasetSplit.DATASET_SPLIT_TEST
)

#: The functions that parse text, which every reader uses.
PARSERS: list[tuple[Any, str]] = [
    (json, "loads"),
    (orjson, "loads"),
    (yaml, "parse"),
    (text_format, "Parse"),
]


@pytest.fixture(params=[format_.name for format_ in FORMATS.values() if format_.is_text])
def document(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A file in each text format."""
    format_ = FORMATS[request.param]
    path = folder / f"dataset{format_.extensions[0]}"
    path.write_bytes(format_.write(DATASET, 2))
    return path


@pytest.fixture
def parses(document: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the parsers that received the document, one for each call."""
    content = document.read_bytes()
    calls: list[str] = []

    def counted(name: str, parse: Callable[..., object]) -> Callable[..., object]:
        def call(data: str | bytes, *arguments: Any, **options: Any) -> object:
            if (data.encode() if isinstance(data, str) else bytes(data)) == content:
                calls.append(name)
            return parse(data, *arguments, **options)

        return call

    for module, name in PARSERS:
        parse = counted(f"{module.__name__}.{name}", getattr(module, name))
        monkeypatch.setattr(module, name, parse)
    return calls


@pytest.mark.parametrize("command", ["validate", "convert", "digest", "show"])
def test_a_command_parses_its_file_once(command: str, document: Path, parses: list[str]) -> None:
    output = ["dataset.binpb"] if command == "convert" else []
    assert run(command, document.name, *output).status == 0
    assert len(parses) == 1, parses


def test_lint_parses_a_file_once_for_its_findings_too(document: Path, parses: list[str]) -> None:
    result = run("lint", document.name)
    assert result.status == 1
    assert f"{document.name}:" in result.lines[1]
    assert len(parses) == 1, parses


def test_validate_parses_an_invalid_file_once(document: Path, parses: list[str]) -> None:
    result = run("validate", "--type", "BackendRef", document.name)
    assert result.status == 1
    assert len(parses) == 1, parses


def test_diff_parses_both_files_once(document: Path, parses: list[str]) -> None:
    assert run("diff", document.name, document.name).status == 0
    assert len(parses) == 2, parses


def test_publish_parses_its_file_once(
    document: Path, parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client:
        def publish_many(self, publications: Iterator[object]) -> Iterator[object]:
            assert len(list(publications)) == 1
            return iter([])

    @contextmanager
    def connect(_: Server) -> Iterator[Client]:
        yield Client()

    monkeypatch.setattr(Server, "connect", connect)
    assert run("publish", document.name).status == 0
    assert len(parses) == 1, parses
