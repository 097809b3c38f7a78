"""The items of Responses: how messages become items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crucible_ir.interchange.chat.calls import write_arguments_text
from crucible_ir.interchange.chat.parts import (
    is_foreign,
    part_sources,
    take_mark,
    wrapped,
    write_other,
)
from crucible_ir.interchange.mapping.converters import write_rules
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.openai_responses.items import (
    CALLS,
    MESSAGE,
    OUTPUTS,
    PARAGRAPH,
    REFUSAL,
    ROLE,
    TEXT,
)
from crucible_ir.interchange.openai_responses.parts import (
    FORMAT_NAME,
    ITEM,
    PART,
    can_write,
    write_part,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_OWN = "it is an item of its own"
_REQUIRED = "the service requires it"


class Writer:
    """Writes messages as items.

    Args:
        append: Adds an item.
        is_output: Whether the items are those of a response.
        fresh: Whether the document was not imported, so that it gets what the service requires.
    """

    def __init__(self, append: Callable[[], Target], *, is_output: bool, fresh: bool) -> None:
        self._add = append
        self._is_output = is_output
        self._fresh = fresh
        self._role: str | None = None
        self._open: Target | None = None
        self._count = 0
        self._is_written = False

    def _append(self) -> Target:
        self._is_written = True
        return self._add()

    def write(self, message: Source) -> None:
        """Write a message."""
        self._role = message.text("role")
        self._open, self._is_written = None, False
        text, parts = message.get("text", str), part_sources(message)
        if self._role == "tool" and not any(_is_alone(part) for part in parts):
            self._write_output(message, text, parts)
            return
        calls = message.items("tool_calls")
        written = 0
        if text is not None:
            self._write_text(message, text)
        for index, part in enumerate(parts if text is None else []):
            while written < len(calls) and _comes_before(calls[written], index):
                self._write_call(message, calls[written], written)
                written += 1
            self._write_part(message, part)
        for index in range(written, len(calls)):
            self._write_call(message, calls[index], index)
        self._write_refusal(message)
        if "text" in message.value and text is None:
            # The import filled in the text of an item without content.
            self._begin(message, message.rest())
        role = message.get("role", str)
        if role is not None and self._is_written:
            role.use(Outcome.CONVERTED, reason="the items have it")

    def _begin(self, message: Source, rest: Source | None) -> Target:
        """Begin an item that is a message."""
        item = self._append()
        item.value["type"] = MESSAGE
        if self._role == "assistant" or self._is_output:
            item.value["role"] = "assistant"
        else:
            write_rules(message, item, (ROLE,))
        if self._role == "assistant" and self._fresh and self._is_output:
            item.default("id", f"msg_{self._count}", _REQUIRED)
            item.default("status", "completed", _REQUIRED)
            self._count += 1
        item.restore(rest)
        return item

    def _write_text(self, message: Source, text: Source) -> None:
        item = self._begin(message, message.rest())
        if self._is_output:
            content = item.append("content")
            content.value.update(type="output_text", annotations=[])
            content.put("text", text.value, text)
        else:
            item.put("content", text.value, text)

    def _write_part(self, message: Source, part: Source) -> None:
        rest = part.rest()
        if part.get("tool_result", dict) is not None:
            self._open = None
            self._write_result(part)
        elif part.get("reasoning", dict) is not None:
            self._write_reasoning(part)
        elif _is_alone(part):
            self._open = None
            write_other(part, self._append(), FORMAT_NAME, ITEM)
        elif take_mark(rest, TEXT) is not None and rest is not None:
            self._write_plain(message, part, rest.get(TEXT, dict))
        elif can_write(part, self._role):
            self._write_content(message, part, rest)

    def _write_plain(self, message: Source, part: Source, rest: Source | None) -> None:
        """Write text as a message whose content is not a list."""
        self._open = None
        item = self._begin(message, rest)
        text = part.get("text", str)
        if text is not None:
            item.put("content", text.value, text)

    def _write_content(self, message: Source, part: Source, rest: Source | None) -> None:
        mark = take_mark(rest, MESSAGE)
        if mark is not None:
            self._open = self._begin(message, mark)
        elif self._open is None and not self._is_output and _is_plain(part, self._role):
            self._write_plain(message, part, None)
            return
        if self._open is None:
            own = None if self._role == "assistant" else message.rest()
            self._open = self._begin(message, own)
        write_part(part, self._open.append("content"), self._role)

    def _write_reasoning(self, part: Source) -> None:
        reasoning = part.get("reasoning", dict)
        assert reasoning is not None
        id_, encrypted = reasoning.get("id", str), reasoning.get("encrypted", str)
        has_id = "id" in reasoning.value
        if self._role != "assistant" or not (has_id or self._is_output):
            return
        self._open = None
        rest, item = part.rest(), self._append()
        item.value["type"] = "reasoning"
        if id_ is not None:
            item.put("id", id_.value, id_)
        elif not has_id:
            item.default("id", f"rs_{self._count}", _REQUIRED)
            self._count += 1
        if encrypted is not None:
            item.put("encrypted_content", encrypted.value, encrypted)
        text = reasoning.get("text", str)
        if text is not None:
            _write_reasoning_text(text, item, rest)
        if not item.has("summary") and (rest is None or "summary" not in rest.value):
            item.value["summary"] = []
        item.restore(rest)

    def _write_call(self, message: Source, call: Source, index: int) -> None:
        self._open = None
        item, rest = self._append(), message.rest()
        kept = rest.get(CALLS, dict) if rest is not None else None
        mine = kept.get(str(index), dict) if kept is not None else None
        is_custom = mine is not None and mine.text("type") == "custom_tool_call"
        id_, name, place = call.get("id", str), call.get("name", str), call.get("part_index", int)
        if mine is None or "type" not in mine.value:
            item.value["type"] = "function_call"
        if id_ is not None:
            item.put("call_id", id_.value, id_)
        elif "id" not in call.value:
            item.default("call_id", f"call_{index}", _REQUIRED)
        if name is not None:
            item.put("name", name.value, name)
        write_arguments_text(call, item, "input" if is_custom else "arguments")
        if place is not None:
            place.implied_by(item)
        item.restore(mine)

    def _write_refusal(self, message: Source) -> None:
        refusal = message.get("refusal", str)
        if refusal is None:
            return
        rest = message.rest()
        mark = take_mark(rest, REFUSAL)
        if mark is None and not self._is_output:
            # A message of the model in the input needs the id that the service gave it.
            item = self._begin(message, None)
            item.put("content", refusal.value, refusal, reason="a text", outcome=Outcome.CONVERTED)
            return
        item = self._begin(message, mark)
        content = item.append("content")
        kept: Any = mark.value.get("content") if mark is not None else None
        inner = kept.get("0") if isinstance(kept, dict) else None
        if not isinstance(inner, dict) or "type" not in inner:
            content.value["type"] = REFUSAL
        content.put("refusal", refusal.value, refusal)

    def _write_result(self, part: Source) -> None:
        result = part.get("tool_result", dict)
        assert result is not None
        item = self._append()
        item.value["type"] = OUTPUTS[0]
        id_, text = result.get("tool_call_id", str), result.get("content", str)
        if id_ is not None:
            item.put("call_id", id_.value, id_, reason=_OWN, outcome=Outcome.CONVERTED)
        if text is not None:
            item.put("output", text.value, text)
        for inner in result.items("parts") if text is None else []:
            if can_write(inner, "tool"):
                write_part(inner, item.append("output"), "tool")
        if not item.has("output"):
            item.default("output", "", _REQUIRED)

    def _write_output(self, message: Source, text: Source | None, parts: list[Source]) -> None:
        """Write a message of a tool."""
        results = [part for part in parts if part.get("tool_result", dict) is not None]
        for part in results:
            self._write_result(part)
        role = message.get("role", str)
        if role is not None:
            role.use(Outcome.CONVERTED, reason="the item has it")
        if results and len(results) == len(parts):
            return
        item, rest = self._append(), message.rest()
        if rest is None or "type" not in rest.value:
            item.value["type"] = OUTPUTS[0]
        id_ = message.get("tool_call_id", str)
        if id_ is not None:
            item.put("call_id", id_.value, id_)
        if text is not None:
            item.put("output", text.value, text)
        for part in parts if text is None else []:
            if can_write(part, "tool"):
                write_part(part, item.append("output"), "tool")
        if self._fresh and not item.has("output"):
            item.default("output", "", _REQUIRED)
        item.restore(rest)


def _is_alone(part: Source) -> bool:
    """Return whether a part is a whole item."""
    if part.get("other", dict) is None or is_foreign(part, FORMAT_NAME):
        return False
    return wrapped(part, FORMAT_NAME, PART) is None


def _comes_before(call: Source, index: int) -> bool:
    place = call.value.get("part_index")
    return isinstance(place, int) and place <= index


def _is_plain(part: Source, role: str | None) -> bool:
    """Return whether a part is text of the model that has no item yet."""
    return role == "assistant" and part.get("text", str) is not None


def _write_reasoning_text(text: Source, item: Target, rest: Source | None) -> None:
    for key in ("content", "summary"):
        entries = rest.get(key, dict) if rest is not None else None
        if entries is not None and entries.get("0", dict) is not None:
            item.append(key).put("text", text.value, text)
            return
        kept = rest.get(key, list) if rest is not None else None
        if kept is not None and _joined(kept.value) == text.value:
            item.put(key, kept.value, text, reason="several texts")
            return
    entry = item.append("summary")
    entry.value["type"] = "summary_text"
    entry.put("text", text.value, text)


def _joined(items: list[Any]) -> str | None:
    texts = [each.get("text") if isinstance(each, dict) else None for each in items]
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    return PARAGRAPH.join(map(str, texts))
