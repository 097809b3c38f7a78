"""The records of foreign files: JSON, JSON lines, YAML, and streams of server-sent events."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crucible_ir.errors import DecodeError, Position
from crucible_ir.serialization.json.parsing import decode_utf8
from crucible_ir.serialization.limits import MAX_BYTES, LimitError
from crucible_ir.serialization.yaml import parse_yaml

#: The extensions of files that are read in a folder.
EXTENSIONS: Final = (".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".sse")


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a foreign source.

    Attributes:
        value: Its JSON values.
        name: Its name in errors: the file, and the line or number.
        number: Its number in the source; ``None`` if the source is this one record.
        error: Why it could not be read, if it could not.
    """

    value: Any
    name: str
    number: int | None = None
    error: DecodeError | None = None


class _DuplicateKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(f'duplicate key "{key}"')


def parse_foreign_json(text: str) -> Any:
    """Parse JSON of other programs: NaN and the infinities are read where they stand.

    Raises:
        DecodeError: The text is not JSON, or an object has a key twice.

    >>> parse_foreign_json('{"loss": NaN, "steps": 9007199254740993}')
    {'loss': nan, 'steps': 9007199254740993}
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        position = Position(error.lineno, error.colno)
        raise DecodeError(f"not JSON: {error.msg}", position=position) from None
    except _DuplicateKeyError as error:
        raise DecodeError(str(error)) from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError as error:
        raise DecodeError(f"not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return result


def parse_foreign_yaml(text: str) -> Any:
    """Parse YAML of other programs into JSON values.

    Raises:
        DecodeError: The text is not YAML.

    >>> parse_foreign_yaml("metrics: {loss: .nan}")
    {'metrics': {'loss': nan}}
    """
    return _plain(parse_yaml(text).value)


def _plain(value: Any) -> Any:
    """Return JSON values of plain Python types."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, float) else value


def read_bytes(path: str, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a file; ``-`` is standard input.

    Raises:
        LimitError: It is larger than the limit.
        OSError: It cannot be read.
    """
    if path == "-":
        data = sys.stdin.buffer.read(limit + 1)
    else:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise LimitError("a document", "max_bytes", limit)
    return data


def read_records(
    source: str,
    *,
    assemble: Callable[[list[tuple[str, Any]]], Any] | None = None,
    extensions: tuple[str, ...] = EXTENSIONS,
) -> Iterator[Record]:
    """Yield the records of a file, of every file in a folder, or of standard input (``-``).

    A JSON or YAML file is one record, or a list of them. A file that cannot be read yields a record
    with the error.

    Args:
        source: The path.
        assemble: Makes a record of the events of a stream of server-sent events.
        extensions: The extensions of the files that are read in a folder.

    Raises:
        OSError: The file or folder does not exist.
    """
    if source != "-" and Path(source).is_dir():
        files = sorted(
            path
            for path in Path(source).rglob("*")
            if path.is_file() and path.name.endswith(extensions)
        )
        number = 0
        for path in files:
            for record in _of_file(str(path), assemble):
                yield Record(record.value, record.name, number, record.error)
                number += 1
        return
    yield from _of_file(source, assemble)


def _of_file(
    path: str, assemble: Callable[[list[tuple[str, Any]]], Any] | None
) -> Iterator[Record]:
    name = "standard input" if path == "-" else path
    if path.endswith((".jsonl", ".ndjson")):
        yield from _lines(path, name)
        return
    try:
        text = decode_utf8(read_bytes(path))
        if path.endswith(".sse") or (path == "-" and text.startswith(("event:", "data:"))):
            if assemble is None:
                raise DecodeError("a stream of server-sent events, which this format does not have")
            value = assemble(parse_events(text))
        elif path.endswith((".yaml", ".yml")) or (
            path == "-" and not text.lstrip().startswith(("{", "["))
        ):
            value = parse_foreign_yaml(text)
        else:
            value = _json_or_lines(text)
    except DecodeError as error:
        yield Record(None, name, None, error)
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield Record(item, f"{name}[{number}]", number)
    else:
        yield Record(value, name)


def _json_or_lines(text: str) -> Any:
    try:
        return parse_foreign_json(text)
    except DecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and "Extra data" in error.reason:
            return [parse_foreign_json(line) for line in lines]
        raise


def _lines(path: str, name: str) -> Iterator[Record]:
    """Yield the records of a file of JSON lines; a bad line yields a record with the error."""
    number = 0
    with open(path, "rb") as file:
        line_number = 0
        while line := file.readline(MAX_BYTES + 1):
            line_number += 1
            if not line.strip():
                continue
            where = f"{name}, line {line_number}"
            try:
                if len(line) > MAX_BYTES:
                    raise LimitError("a line", "max_bytes", MAX_BYTES)
                yield Record(parse_foreign_json(decode_utf8(line)), where, number)
            except DecodeError as error:
                yield Record(None, where, number, error)
                if isinstance(error, LimitError):
                    return
            number += 1


def parse_events(text: str) -> list[tuple[str, Any]]:
    r"""Parse a stream of server-sent events whose data are JSON.

    Returns:
        The name of each event, which may be empty, with its data. The end mark ``[DONE]`` is left
        out.

    Raises:
        DecodeError: The data of an event are not JSON.

    >>> parse_events('event: ping\ndata: {"a": 1}\n\ndata: [DONE]\n\n')
    [('ping', {'a': 1})]
    """
    events: list[tuple[str, Any]] = []
    name, data, first = "", list[str](), 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if not line:
            if data and data != ["[DONE]"]:
                try:
                    events.append((name, parse_foreign_json("\n".join(data))))
                except DecodeError as error:
                    raise DecodeError(error.reason, position=Position(first, 1)) from None
            name, data = "", []
        elif line.startswith("data:"):
            first = first if data else number
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif line.startswith("event:"):
            name = line.removeprefix("event:").strip()
    return events
