"""The streams of Responses: typed events, which make one response."""

from __future__ import annotations

from typing import Any, Final

#: The events that end a stream with the whole response.
_LAST: Final = ("response.completed", "response.incomplete", "response.failed")


def assemble(events: list[tuple[str, Any]]) -> Any:
    """Make a response of the events of a stream.

    The last event has the whole response. Of a stream that was cut off, it is made of the items
    that are done.

    Returns:
        The response; the object with the error if the stream has one.

    >>> done = {"type": "response.output_item.done", "output_index": 0, "item": {"type": "x"}}
    >>> started = {"type": "response.created", "response": {"id": "r", "output": []}}
    >>> assemble([("", started), ("", done)])
    {'id': 'r', 'output': [{'type': 'x'}]}
    """
    response: dict[str, Any] = {}
    items: dict[int, Any] = {}
    for name, event in events:
        if not isinstance(event, dict):
            continue
        type_ = event.get("type") or name
        if type_ == "error":
            return {"error": event.get("error") or event}
        if isinstance(event.get("response"), dict):
            response = event["response"]
        if type_ == "response.output_item.done" and isinstance(event.get("output_index"), int):
            items[event["output_index"]] = event.get("item")
        if type_ in _LAST:
            break
    if items and not response.get("output"):
        return {**response, "output": [items[index] for index in sorted(items)]}
    return response
