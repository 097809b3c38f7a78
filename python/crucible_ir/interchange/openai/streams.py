"""The streams of Chat Completions: chunks, which make one response."""

from __future__ import annotations

from typing import Any, Final

#: The keys whose pieces are joined; the pieces of any other text replace each other.
_JOINED: Final = frozenset(
    {
        "arguments",
        "content",
        "data",
        "input",
        "reasoning",
        "reasoning_content",
        "refusal",
        "signature",
        "summary",
        "text",
        "thinking",
        "transcript",
    }
)


def assemble(events: list[tuple[str, Any]]) -> Any:
    """Make a response of the chunks of a stream.

    Returns:
        The response; the object with the error if there is one in the stream.

    >>> chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("a", "b")]
    >>> assemble([("", chunk) for chunk in chunks])["choices"]
    [{'index': 0, 'message': {'content': 'ab'}}]
    """
    result: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for _, chunk in events:
        if not isinstance(chunk, dict):
            continue
        if chunk.get("error"):
            return {"error": chunk["error"]}
        for key, value in chunk.items():
            if key != "choices":
                _set(result, key, value)
        for choice in _objects(chunk.get("choices")):
            index = choice.get("index")
            place = index if isinstance(index, int) else 0
            _add_choice(choices.setdefault(place, {}), choice)
    if result.get("object") == "chat.completion.chunk":
        result["object"] = "chat.completion"
    result["choices"] = [choices[index] for index in sorted(choices)]
    for choice in result["choices"]:
        message = choice.get("message", {})
        for call in _objects(message.get("tool_calls")):
            call.pop("index", None)
    return result


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _set(owner: dict[str, Any], key: str, value: Any) -> None:
    if value is not None or key not in owner:
        owner[key] = value


def _add_choice(choice: dict[str, Any], piece: dict[str, Any]) -> None:
    for key, value in piece.items():
        if key == "delta" and isinstance(value, dict):
            message = choice.setdefault("message", {})
            _add(message, value)
        elif key == "logprobs":
            _add_value(choice, key, value)
        else:
            _set(choice, key, value)


def _add(owner: dict[str, Any], piece: dict[str, Any]) -> None:
    for key, value in piece.items():
        _add_value(owner, key, value)


def _add_value(owner: dict[str, Any], key: str, value: Any) -> None:
    before = owner.get(key)
    if isinstance(value, str) and isinstance(before, str) and key in _JOINED:
        owner[key] = before + value
    elif isinstance(value, dict) and isinstance(before, dict):
        _add(before, value)
    elif isinstance(value, list) and isinstance(before, list):
        _add_items(before, value)
    elif isinstance(value, list):
        owner[key] = []
        _add_items(owner[key], value)
    else:
        _set(owner, key, value)


def _add_items(items: list[Any], pieces: list[Any]) -> None:
    """Add the pieces of a list; those with the index of an item continue it."""
    for piece in pieces:
        index = piece.get("index") if isinstance(piece, dict) else None
        found = next(
            (item for item in _objects(items) if index is not None and item.get("index") == index),
            None,
        )
        if found is not None:
            _add(found, piece)
        else:
            items.append(dict(piece) if isinstance(piece, dict) else piece)
