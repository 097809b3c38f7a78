"""The files of Hugging Face on disk: what is read of a folder, and how each file is written."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from crucible_ir.errors import DecodeError
from crucible_ir.interchange.huggingface.repository import (
    CARD,
    ENTRIES,
    FILES,
    file_of,
    is_entries,
    is_known,
)
from crucible_ir.interchange.mapping.reading import (
    Record,
    is_older,
    parse_foreign_json,
    parse_foreign_yaml,
    read_bytes,
    read_records,
)
from crucible_ir.serialization.json.parsing import decode_utf8
from crucible_ir.serialization.yaml import write as write_yaml

#: The metadata of a card: YAML between two lines of three dashes.
_METADATA = re.compile(
    r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)

#: The folder of a repository in the cache of the Hub, with its revision.
_CACHED = re.compile(r"models--(?P<name>[^/]+)/snapshots/(?P<revision>[0-9a-f]{40})")

STANDARD_INPUT: Final = "-"

#: The keys of a card's metadata that come first.
_FIRST: Final = ("language", "license", "library_name", "pipeline_tag", "tags", "base_model")


def parse_card(text: str) -> dict[str, Any]:
    r"""Parse a model card into its metadata and its text.

    Raises:
        DecodeError: The metadata are not YAML, or no mapping.

    >>> parse_card("---\nlicense: mit\n---\n# A model\n")
    {'data': {'license': 'mit'}, 'text': '# A model\n'}
    """
    found = _METADATA.match(text)
    if found is None:
        return {"text": text}
    # Errors have the line in the card.
    above = "\n" * text[: found.start(1)].count("\n")
    data = _one(parse_foreign_yaml(above + found[1])) if found[1].strip() else {}
    if not isinstance(data, dict):
        raise DecodeError("the metadata of a card is not a mapping")
    return {"data": data, "text": text[found.end() :]}


def _one(values: Any) -> Any:
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def write_card(card: dict[str, Any]) -> str:
    r"""Write a model card.

    >>> write_card({"data": {"license": "mit"}, "text": "# A model\n"})
    '---\nlicense: mit\n---\n# A model\n'
    """
    data = card.get("data")
    text = str(card.get("text", ""))
    if data is None:
        return text
    ordered = {key: data[key] for key in _FIRST if key in data} | data
    return f"---\n{write_yaml(ordered) if ordered else ''}---\n{text}"


def write(obj: Any) -> bytes:
    """Write the result of an export as the file that it is: markdown, YAML or JSON.

    A folder with one file is written as that file; with several, as JSON that imports again.
    """
    content = obj
    if isinstance(obj, dict) and isinstance(obj.get(FILES), dict) and len(obj[FILES]) == 1:
        [content] = obj[FILES].values()
    kind = file_of(content)
    if kind == CARD:
        return write_card(content).encode()
    if kind == ENTRIES:
        return write_yaml([content]).encode()
    if isinstance(content, list):
        return write_yaml(content).encode()
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()


def join(objects: list[Any]) -> Any:
    """Make one record of the results of several documents: one card, one list, or a folder."""
    if not all(isinstance(each, dict) for each in objects):
        return objects
    if any(FILES in each for each in objects):
        return _merged(objects)
    kinds = [file_of(each) for each in objects]
    if kinds == [CARD] * len(kinds):
        return _merged(objects)
    if kinds == [ENTRIES] * len(kinds):
        return objects
    files: dict[str, Any] = {}
    for kind, each in zip(kinds, objects, strict=True):
        _merge(files, {kind or "": [each] if kind == ENTRIES else each})
    return {FILES: files}


def _merged(objects: list[Any]) -> Any:
    result: dict[str, Any] = {}
    for each in objects:
        _merge(result, each)
    return result


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Merge an object into another one; what is there stays, and lists of results are joined."""
    for key, value in more.items():
        current = into.get(key)
        if key == "model-index" and isinstance(current, list):
            _merge_index(current, value)
        elif isinstance(current, dict) and isinstance(value, dict):
            _merge(current, value)
        elif is_entries(key) and isinstance(current, list) and isinstance(value, list):
            current.extend(value)
        elif current is None:
            into[key] = copy.deepcopy(value)


def _merge_index(index: list[Any], more: list[Any]) -> None:
    for entry in more:
        same = next((each for each in index if each["name"] == entry["name"]), None)
        if same is None:
            index.append(copy.deepcopy(entry))
        else:
            same["results"] += entry["results"]


def read(source: str, since: datetime | None = None) -> Iterator[Record]:
    """Yield the records of a file, or of a folder.

    Each folder with files of a model or of a checkpoint is a record.

    Raises:
        OSError: The source cannot be read.
    """
    if source != STANDARD_INPUT and Path(source).is_dir():
        yield from _read_folders(Path(source), since)
    else:
        yield from read_records(source, since=since, parse=_parse)


def _parse(path: str, text: str) -> list[Any] | None:
    """Parse a model card; on standard input, its metadata tell it from other YAML."""
    if path.lower().endswith((".md", ".markdown")):
        return [parse_card(text)]
    is_card = path == STANDARD_INPUT and _METADATA.match(text) is not None
    return [parse_card(text)] if is_card else None


def _read_folders(root: Path, since: datetime | None) -> Iterator[Record]:
    found: dict[Path, dict[str, Path]] = {}
    for path in sorted(root.rglob("*")):
        folder, name = path.parent, path.name
        if folder.name == ENTRIES.rstrip("/"):
            folder, name = folder.parent, f"{ENTRIES}{name}"
        if is_known(name) and path.is_file():
            found.setdefault(folder, {})[name] = path
    number = 0
    for folder, paths in found.items():
        if all(is_older(path, since) for path in paths.values()):
            continue
        files: dict[str, Any] = {}
        for name, path in paths.items():
            try:
                files[name] = _content(name, decode_utf8(read_bytes(str(path))))
            except DecodeError as error:
                yield Record(None, str(path), number, error)
                number += 1
        if files:
            is_only = number == 0 and len(found) == 1
            yield Record(
                {**_named(root, folder, has_files=root in found), FILES: files},
                str(folder),
                None if is_only else number,
            )
            number += 1


def _content(name: str, text: str) -> Any:
    if name == CARD:
        return parse_card(text)
    return _one(parse_foreign_yaml(text)) if is_entries(name) else parse_foreign_json(text)


def _named(root: Path, folder: Path, *, has_files: bool) -> dict[str, str]:
    """Return the name of a folder, and the revision if it is in the cache of the Hub.

    Args:
        root: The folder that is read.
        folder: The folder, or one inside.
        has_files: Whether the folder that is read has files of a model itself.

    >>> _named(Path("runs"), Path("runs/vit/checkpoint-500"), has_files=False)
    {'name': 'vit/checkpoint-500'}
    >>> _named(Path("runs/vit"), Path("runs/vit/checkpoint-500"), has_files=True)
    {'name': 'vit/checkpoint-500'}
    """
    resolved = folder.resolve()
    cached = _CACHED.search(resolved.as_posix())
    if cached is not None:
        name = cached["name"].replace("--", "/", 1)
        below = resolved.as_posix()[cached.end() :]
        return {"name": f"{name}{below}"} if below else cached.groupdict() | {"name": name}
    below = folder.relative_to(root).as_posix()
    if not has_files:
        return {"name": below}
    name = root.resolve().name
    return {"name": name if below == "." else f"{name}/{below}"}
