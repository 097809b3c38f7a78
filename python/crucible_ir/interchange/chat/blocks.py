"""What the chat formats with lists of content blocks share: bytes, arguments, order and marks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from crucible_ir import v1
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target, opaque_field
from crucible_ir.interchange.mapping.values import opaque_json

#: The largest count of tokens.
_MAX_COUNT = 2**31 - 1

#: The kinds of content parts that the schema has, which cannot be the type of another kind.
PART_KINDS: Final = frozenset(
    field.name for field in v1.ContentPart.DESCRIPTOR.oneofs_by_name["part"].fields
)

_BASE64_REASON = "base64 of another alphabet, or without padding"

#: The bytes that files of some media types begin with.
_FIRST_BYTES: Final = (
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
)


def count(source: Source, key: str) -> Source | None:
    """Return a count of a source; ``None`` if there is none, or if a message cannot hold it."""
    found = source.get(key, int)
    return found if found is not None and 0 <= found.value <= _MAX_COUNT else None


def mark_import(conversion: Import, target: Target) -> None:
    """Note in a message that it was imported, so that export fills in nothing."""
    _ = target.child(opaque_field(target.descriptor)).child(conversion.format).value


def filled(source: Source) -> bool:
    """Return whether an export fills in what the format requires and this message lacks.

    A message that an import of the same format marked lacked it there too.
    """
    rest = source.rest()
    if rest is not None and not rest.value:
        rest.use(Outcome.CONVERTED, reason="it marks what this format does not have either")
    return rest is None


def inside(rest: Source | None, *keys: str) -> Source | None:
    """Return an object inside what an import kept."""
    for key in keys:
        rest = rest.get(key, dict) if rest is not None else None
    return rest


# Bytes


def decoded(text: object) -> bytes | None:
    r"""Return the bytes of base64 text of either alphabet, with or without padding.

    >>> decoded("_w"), decoded("/w=="), decoded("?")
    (b'\xff', b'\xff', None)
    """
    if not isinstance(text, str):
        return None
    plain = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return None


def encoded(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


def read_bytes(conversion: Import, source: Source, target: Target) -> None:
    """Import base64 text, which `decoded` accepts."""
    data = decoded(source.value)
    assert data is not None
    text = encoded(data)
    target.put("base64", text, source, reason=_BASE64_REASON)
    if text != source.value:
        conversion.keep_original(source, _BASE64_REASON)


def write_bytes(source: Source, target: Target, key: str, original: Source | None) -> None:
    """Export bytes, in the same notation as the import found them in.

    Args:
        source: The base64 text.
        target: The foreign object.
        key: The key for the text.
        original: The object that an import kept, which may have the text as it was.
    """
    found = original.get(key, str) if original is not None else None
    text = source.value
    if found is not None and decoded(found.value) == decoded(text):
        found.use(Outcome.OPAQUE, (*target.path, key))
        text = found.value
    target.put(key, text, source, reason=_BASE64_REASON)


def media_type(data: bytes) -> str:
    """Return the media type of a file by its first bytes.

    >>> media_type(b"%PDF-1.7"), media_type(b"?")
    ('application/pdf', 'application/octet-stream')
    """
    for first, name in _FIRST_BYTES:
        if data.startswith(first):
            return name
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(
            data[8:12], "application/octet-stream"
        )
    return "application/octet-stream"


# Arguments of tool calls


def read_arguments(source: Source, call: Target) -> None:
    """Import the arguments of a call, which are any JSON.

    What opaque JSON cannot hold exactly is kept as JSON text, in `raw`. An object with the one key
    ``raw`` is how export writes text that is not a JSON object.
    """
    value = source.value
    if isinstance(value, dict):
        raw = source.get("raw", str)
        if raw is not None and len(value) == 1 and not _is_object(raw.value):
            call.put("raw", raw.value, raw)
            return
        changes: list[Any] = []
        opaque_json(value, changes)
        if not changes:
            call.put_opaque("map", source)
            return
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value)
    call.put("raw", text, source, reason="not an object that opaque JSON holds exactly")


def write_arguments(call: Source, target: Target, key: str) -> bool:
    """Export the arguments of a call as JSON values; return whether it has any."""
    found = call.get("map", dict)
    if found is not None:
        target.put(key, found.value, found)
        return True
    raw = call.get("raw", str)
    if raw is None:
        return False
    duplicates: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        duplicates.extend([""] * (len(items) - len(result)))
        return result

    value = _parse(raw.value, object_pairs_hook=pairs)
    if not isinstance(value, dict):
        reason = "the format has only JSON objects for arguments"
        target.child(key).put("raw", raw.value, raw, reason=reason)
        return True
    reason = "of a key that is there twice, the last one is kept" if duplicates else "JSON text"
    target.put(key, value, raw, reason=reason)
    return True


def _is_object(text: str) -> bool:
    return isinstance(_parse(text), dict)


def _parse(text: str, **options: Any) -> Any:
    """Return the value of JSON text; ``None`` for other text."""
    try:
        return json.loads(text, **options)
    except (ValueError, RecursionError):
        return None


# The order of parts and calls


def place_calls(calls: Iterable[tuple[Target, int]], parts: int) -> None:
    """Set the places of calls that parts follow.

    Args:
        calls: The calls, each with the number of parts before it.
        parts: The number of parts.
    """
    for call, before in calls:
        if before < parts:
            call.value["part_index"] = before


def in_order(parts: list[Source], calls: list[Source]) -> Iterator[tuple[Source, bool]]:
    """Yield the parts and calls of a message in their order, with whether each is a call."""
    waiting: dict[int, list[Source]] = {}
    for call in calls:
        index = call.get("part_index", int)
        place = len(parts) if index is None else min(index.value, len(parts))
        waiting.setdefault(max(place, 0), []).append(call)
    for at in range(len(parts) + 1):
        for call in waiting.get(at, ()):
            yield call, True
        if at < len(parts):
            yield parts[at], False


def call_place(call: Source, target: Target) -> None:
    """Say that the order of blocks shows the place of a call."""
    index = call.get("part_index", int)
    if index is not None:
        index.use(Outcome.CONVERTED, target.path, reason="the order of the blocks shows it")


# Finish reasons


def read_finish_reason(
    conversion: Import, found: Source | None, choice: Target, ours: str | None
) -> None:
    """Import why generation stopped.

    Args:
        conversion: The import.
        found: The format's word for it.
        choice: The choice.
        ours: Our word for it; ``None`` if there is none.
    """
    if found is None:
        return
    if ours is not None:
        choice.put("finish_reason", ours, found, reason="words for finish reasons differ")
    if ours != found.value:
        own = choice.child("metadata").child(conversion.format)
        own.put("finish_reason", found.value, found)


def write_finish_reason(
    choice: Source, target: Target, key: str, table: Mapping[str, str], *, calls: bool = False
) -> None:
    """Export why generation stopped: the word that an import found, if it still fits.

    Args:
        choice: The choice.
        target: The foreign object.
        key: Its key for the finish reason.
        table: Our word for each of the format's.
        calls: Whether the format's word for a natural end stands for tool calls.
    """
    found = choice.get("finish_reason", str)
    ours = found.value if found is not None else None
    rest = choice.rest()
    original = rest.get("finish_reason", str) if rest is not None else None
    if original is not None:
        means = table.get(original.value)
        if means == ours or (calls and means == "stop" and ours == "tool_calls"):
            target.value[key] = original.value
            original.use(Outcome.RENAMED, (*target.path, key))
            if found is not None:
                found.use(Outcome.CONVERTED, (*target.path, key), to=original.value)
            return
        original.drop("another finish reason was set since")
    if found is None:
        return
    if calls and ours == "tool_calls":
        ours = "stop"
    theirs = next((word for word, meaning in table.items() if meaning == ours), None)
    if theirs is None:
        found.drop("the format has no word for it")
    else:
        target.put(key, theirs, found, reason="words for finish reasons differ")
