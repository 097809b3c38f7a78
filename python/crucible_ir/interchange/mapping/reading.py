"""The records of foreign files: JSON, JSON lines, YAML, and streams of server-sent events."""

from __future__ import annotations

import errno
import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from crucible_ir.errors import DecodeError, Position
from crucible_ir.serialization.json.parsing import decode_utf8
from crucible_ir.serialization.json.syntax_errors import syntax_error
from crucible_ir.serialization.limits import MAX_BYTES, LimitError
from crucible_ir.serialization.yaml import parse_yaml

#: Makes a record of the events of a stream: their names and data.
Assemble: TypeAlias = Callable[[list[tuple[str, Any]]], Any]

#: Parses a file, given its path and text, in a way of its own; ``None`` for a file like any other.
Parse: TypeAlias = Callable[[str, str], list[Any] | None]

#: The most documents in one YAML file.
MAX_YAML_DOCUMENTS: Final = 10_000

#: The line between two documents of a YAML file.
_DOCUMENT_MARK = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:#.*)?$", re.MULTILINE)

#: The extensions of files that are read in a folder.
EXTENSIONS: Final = (".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".sse")


class Record(NamedTuple):
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
        found = syntax_error(text, error)
        reason = found.reason
        for format_, extension in (("yaml", ".yaml"), ("jsonl", ".jsonl")):
            # The advice is for readers of this package's own formats.
            known = rf", which (is|are) read with (from|read)_{format_}"
            reason = re.sub(known, f": give the file the extension {extension}", reason)
        raise DecodeError(reason, position=found.position) from None
    except _DuplicateKeyError as error:
        raise DecodeError(str(error)) from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError:
        # Python does not convert more than 4300 digits to an integer.
        raise DecodeError("a number has too many digits") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return result


def parse_foreign_yaml(text: str) -> list[Any]:
    """Parse YAML of other programs into the JSON values of each document.

    Raises:
        DecodeError: The text is not YAML.

    >>> parse_foreign_yaml("metrics: {loss: .nan}")
    [{'metrics': {'loss': nan}}]
    """
    parts = [part for part in _DOCUMENT_MARK.split(text) if _has_content(part)]
    if len(parts) > MAX_YAML_DOCUMENTS:
        raise LimitError("the number of YAML documents", "max_items", MAX_YAML_DOCUMENTS)
    return [_plain(parse_yaml(part).value) for part in parts or [text]]


def _has_content(text: str) -> bool:
    lines = (line.strip() for line in text.splitlines())
    return any(line and not line.startswith("#") for line in lines)


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
    since: datetime | None = None,
    assemble: Assemble | None = None,
    parse: Parse | None = None,
    extensions: tuple[str, ...] = EXTENSIONS,
) -> Iterator[Record]:
    """Yield the records of a file, of every file in a folder, or of standard input (``-``).

    A JSON or YAML file is one record, or a list of them; a YAML file may have several documents. A
    file that cannot be read yields a record with the error.

    Args:
        source: The path.
        since: Leave out files that were last changed before this time.
        assemble: Makes a record of the events of a stream of server-sent events.
        parse: Parses files that have a format of their own.
        extensions: The extensions of the files that are read in a folder.

    Raises:
        OSError: The file or folder cannot be read.
    """
    if source.startswith(("http://", "https://")):
        raise OSError(errno.EINVAL, "the format is read from files, not from a service")
    if source == "-" or not Path(source).is_dir():
        if source == "-" or not is_older(Path(source), since):
            yield from _of_file(source, assemble, parse)
        return
    number = 0
    for path in sorted(Path(source).rglob("*")):
        if not path.name.lower().endswith(extensions):
            continue
        try:
            # A link to a file that does not exist is an error; pipes are not read.
            if (path.exists() and not path.is_file()) or is_older(path, since):
                continue
            for record in _of_file(str(path), assemble, parse):
                yield Record(record.value, record.name, number, record.error)
                number += 1
        except OSError as error:
            reason = f"cannot be read: {(error.strerror or str(error)).lower()}"
            yield Record(None, str(path), number, DecodeError(reason))
            number += 1


def is_older(path: Path, since: datetime | None) -> bool:
    """Return whether a file was last changed before a time."""
    return since is not None and path.stat().st_mtime < since.timestamp()


def _of_file(path: str, assemble: Assemble | None, parse: Parse | None) -> Iterator[Record]:
    name = "standard input" if path == "-" else path
    if path.lower().endswith((".jsonl", ".ndjson")):
        yield from _lines(path, name)
        return
    try:
        text = decode_utf8(read_bytes(path))
        own = None if parse is None else parse(path, text)
        values = _parse_file(path, text, assemble) if own is None else own
    except DecodeError as error:
        yield Record(None, name, None, error)
        return
    if len(values) == 1 and not isinstance(values[0], list):
        yield Record(values[0], name)
        return
    items = values[0] if len(values) == 1 else values
    for number, item in enumerate(items):
        yield Record(item, f"{name}[{number}]", number)


def _parse_file(path: str, text: str, assemble: Assemble | None) -> list[Any]:
    """Return the values in a file: one, or those of several documents or lines."""
    suffix = Path(path.lower()).suffix
    is_unknown = suffix not in EXTENSIONS
    if suffix == ".sse" or (is_unknown and text.startswith(("event:", "data:"))):
        if assemble is None:
            raise DecodeError("this format has no streams of server-sent events")
        return [assemble(parse_events(text))]
    if suffix in (".yaml", ".yml") or (is_unknown and not text.lstrip().startswith(("{", "["))):
        return parse_foreign_yaml(text)
    try:
        return [parse_foreign_json(text)]
    except DecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and "extra data" in error.reason:
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
