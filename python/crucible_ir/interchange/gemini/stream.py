"""Streams of Gemini's streamGenerateContent: the answer that the chunks of one make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from crucible_ir.errors import DecodeError
from crucible_ir.interchange.mapping.reading import Record


def assemble(events: list[tuple[str, Any]]) -> Any:
    """Return the answer that the events of a stream make, or the error that ended it.

    Raises:
        DecodeError: There are none, or one is not an object.
    """
    chunks = [event for _, event in events]
    if not chunks or not all(isinstance(chunk, dict) for chunk in chunks):
        raise DecodeError("expected events with an object")
    error = next((chunk for chunk in chunks if "error" in chunk), None)
    return error if error is not None else joined(chunks)


def joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer that chunks make: parts follow each other, and the last counts count."""
    answer: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for candidate in _objects(chunk.get("candidates")):
            index = candidate.get("index", 0)
            _join_candidate(candidates.setdefault(index, {}), candidate)
        answer.update({key: value for key, value in chunk.items() if key != "candidates"})
    if candidates:
        answer["candidates"] = list(candidates.values())
    return answer


def _join_candidate(into: dict[str, Any], candidate: dict[str, Any]) -> None:
    for key, value in candidate.items():
        if key == "content" and isinstance(value, dict):
            content = into.setdefault(key, {})
            for part in _objects(value.get("parts")):
                _join_part(content.setdefault("parts", []), part)
            content.update({name: item for name, item in value.items() if name != "parts"})
        else:
            into[key] = value


def _join_part(parts: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Add a part; a text goes on where the text before it stopped, unless that was signed."""
    before = parts[-1] if parts else {}
    is_more_text = before.keys() == {"text"} == part.keys() - {"thoughtSignature"}
    is_more_thought = before.keys() == part.keys() == {"text", "thought"}
    if is_more_text or is_more_thought:
        parts[-1] = {**part, "text": f"{before['text']}{part['text']}"}
    else:
        parts.append(dict(part))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def gather(records: Iterable[Record]) -> Iterator[Record]:
    """Join the chunks of one answer that follow each other in a list of records."""
    waiting: list[Record] = []
    for record in records:
        if waiting and not _follows(waiting[-1].value, record.value):
            yield _as_one(waiting)
            waiting = []
        waiting.append(record)
    if waiting:
        yield _as_one(waiting)


def _follows(before: Any, value: Any) -> bool:
    """Return whether a record is the chunk after another one: of an answer without an end."""
    if not isinstance(before, dict) or not isinstance(value, dict):
        return False
    same = before.get("responseId") is not None and before["responseId"] == value.get("responseId")
    ended = any("finishReason" in each for each in _objects(before.get("candidates")))
    return same and not ended


def _as_one(records: list[Record]) -> Record:
    if len(records) == 1:
        return records[0]
    first = records[0]
    return Record(joined([each.value for each in records]), first.name, first.number)
