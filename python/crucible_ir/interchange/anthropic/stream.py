"""Streams of Anthropic's Messages API: the message that the events of one make."""

from __future__ import annotations

import json
from typing import Any

from crucible_ir.errors import DecodeError


def assemble(events: list[tuple[str, Any]]) -> Any:
    """Return the message that the events of a stream make, or the error that ended it.

    Raises:
        DecodeError: They do not begin with a message.
    """
    message: dict[str, Any] | None = None
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for name, event in events:
        if not isinstance(event, dict):
            raise DecodeError(f"expected an object in the event {name or 'without a name'}")
        kind = event.get("type", name)
        if kind == "error":
            return event
        if kind == "message_start":
            message = dict(_object(event, "message"))
        elif kind == "content_block_start":
            blocks[_index(event)] = dict(_object(event, "content_block"))
        elif kind == "content_block_delta":
            _apply(_object(event, "delta"), blocks.setdefault(_index(event), {}), inputs, event)
        elif kind == "message_delta" and message is not None:
            _finish(event, message)
    if message is None:
        raise DecodeError("expected the event message_start")
    for index, text in inputs.items():
        blocks[index]["input"] = _parsed(text)
    content = message.get("content")
    before = content if isinstance(content, list) else []
    message["content"] = [*before, *(blocks[index] for index in sorted(blocks))]
    return message


def _object(event: dict[str, Any], key: str) -> dict[str, Any]:
    value = event.get(key)
    if not isinstance(value, dict):
        raise DecodeError(f'expected an object in "{key}" of the event {event.get("type")}')
    return value


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    if not isinstance(index, int):
        raise DecodeError(f"expected an index in the event {event.get('type')}")
    return index


def _apply(
    delta: dict[str, Any], block: dict[str, Any], inputs: dict[int, str], event: dict[str, Any]
) -> None:
    """Add a delta to its block: texts are joined, and citations are listed."""
    for key, value in delta.items():
        if key == "type":
            continue
        if key == "partial_json":
            if value:
                inputs[event["index"]] = inputs.get(event["index"], "") + str(value)
        elif key == "citation":
            citations = block.get("citations")
            block["citations"] = [*(citations if isinstance(citations, list) else []), value]
        elif isinstance(value, str) and isinstance(block.get(key), str):
            block[key] += value
        else:
            block[key] = value


def _parsed(text: str) -> Any:
    """Return the input of a call; of one that was cut off, the text as export writes it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"raw": text}


def _finish(event: dict[str, Any], message: dict[str, Any]) -> None:
    """Add what the end of a stream says of the message; its counts are totals."""
    for key, value in event.items():
        if key in ("delta", "usage") and isinstance(value, dict):
            into = message if key == "delta" else message.setdefault("usage", {})
            into.update(value)
        elif key != "type":
            message[key] = value
