"""The items of Responses: how they become messages.

Consecutive items of the model, such as reasoning, text and calls, become one message of the
assistant, in which calls know the number of parts before them. Each other item is a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crucible_ir.interchange.chat.calls import can_be_call, read_arguments
from crucible_ir.interchange.chat.parts import (
    append_part,
    is_other_kind,
    put_other,
    role_converter,
)
from crucible_ir.interchange.mapping.converters import Rule, read_rules
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.openai_responses.parts import FORMAT_NAME, ITEM, read_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

#: The marks of how the parts of a message of the assistant were written.
MESSAGE, TEXT, CALLS, REFUSAL = "message", "text", "tool_calls", "refusal"

#: The items that answer a call of a tool, the one that the export writes first.
OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")

#: The separator of the texts of a model's reasoning.
PARAGRAPH: Final = "\n\n"

ROLE: Final = Rule("role", converter=role_converter({}), types=(str,))


def read_items(conversion: Import, items: list[Source], append: Callable[[], Target]) -> None:
    """Import the items of an input.

    Args:
        conversion: The import.
        items: The items.
        append: Adds a message.
    """
    number = 0
    turn: list[Source] = []
    for item in items:
        if not isinstance(item.value, dict):
            raise item.fail("expected an object")
        if _is_of_assistant(item):
            turn.append(item)
            continue
        if turn:
            read_turn(conversion, turn, append(), number)
            number, turn = number + 1, []
        _read_alone(conversion, item, append())
        number += 1
    if turn:
        read_turn(conversion, turn, append(), number)


def _put_item(part: Target, item: Source) -> None:
    """Keep an item as it is."""
    kind = item.text("type")
    has_kind = kind is not None and is_other_kind(kind) and kind != FORMAT_NAME
    put_other(part, item, FORMAT_NAME, wrapped_in="" if has_kind else ITEM)


def is_message(item: Source) -> bool:
    """Return whether an item is a message, whose type may be left out."""
    type_ = item.value.get("type", MESSAGE)
    return type_ == MESSAGE and item.text("role") is not None


def _is_of_assistant(item: Source) -> bool:
    role, type_ = item.text("role"), item.text("type") or ""
    if role is not None:
        return role == "assistant"
    return not type_.endswith(("_output", "_response"))


def _read_alone(conversion: Import, item: Source, message: Target) -> None:
    """Import an item that is a message of its own."""
    if is_message(item):
        read_message(conversion, item, message)
    elif item.text("type") in OUTPUTS:
        _read_output(item, message)
    else:
        message.value["role"] = "developer" if item.text("role") == "developer" else "tool"
        _put_item(append_part(message), item)


def read_message(conversion: Import, item: Source, message: Target) -> None:
    """Import an item that is a message."""
    message.keep_rest(item)
    read_rules(conversion, item, message, (ROLE,))
    _imply_type(item, message, MESSAGE)
    text = item.get("content", str)
    if text is not None:
        message.put("text", text.value, text)
    else:
        _read_parts(item, "content", message)
    _require_content(message)


def _read_output(item: Source, message: Target) -> None:
    message.keep_rest(item)
    message.value["role"] = "tool"
    _imply_type(item, message, OUTPUTS[0])
    id_, text = item.get("call_id", str), item.get("output", str)
    if id_ is not None and id_.value:
        message.put("tool_call_id", id_.value, id_)
    if text is not None:
        message.put("text", text.value, text)
    else:
        _read_parts(item, "output", message)
    _require_content(message)


def _imply_type(item: Source, target: Target, type_: str) -> None:
    found = item.get("type", str)
    if found is not None and found.value == type_:
        found.implied_by(target)


def _read_parts(item: Source, key: str, message: Target) -> None:
    parts = item.items(key)
    if all(isinstance(part.value, dict) for part in parts):
        for part in parts:
            read_part(part, append_part(message), message.value["role"])


def _require_content(message: Target) -> None:
    if not {"text", "parts"} & message.value.keys() and message.value["role"] != "assistant":
        message.default("text", "", "the item has no content")


def read_turn(
    conversion: Import,
    items: list[Source],
    message: Target,
    number: int,
    *,
    is_output: bool = False,
) -> None:
    """Import consecutive items of the model as one message.

    Args:
        conversion: The import.
        items: The items.
        message: The message.
        number: The number of the message, for the ids of calls without one.
        is_output: Whether the items are those of a response.
    """
    for item in items:
        if not isinstance(item.value, dict):
            raise item.fail("expected an object")
    first = items[0]
    if len(items) == 1 and is_message(first) and first.get("content", str) and not is_output:
        read_message(conversion, first, message)
        return
    message.value["role"] = "assistant"
    for item in items:
        done = (
            (is_message(item) and _read_turn_message(item, message, item is items[-1], is_output))
            or (item.text("type") == "reasoning" and _read_reasoning(conversion, item, message))
            or _read_call(item, message, number)
        )
        if not done:
            _put_item(append_part(message), item)
    _leave_out_indexes(message)


def _parts_of(message: Target) -> int:
    return len(message.value["parts"]["parts"]) if message.has("parts") else 0


def _leave_out_indexes(message: Target) -> None:
    """Leave out the place of calls after all parts, which an absent one means."""
    for call in message.value.get("tool_calls", []):
        if call["part_index"] == _parts_of(message):
            del call["part_index"]


def _read_turn_message(item: Source, message: Target, is_last: bool, is_output: bool) -> bool:
    text, contents = item.get("content", str), item.items("content")
    if text is not None and not is_output:
        part = append_part(message)
        part.put("text", text.value, text)
        part.mark(TEXT)
        part.keep_rest(item, TEXT)
    elif len(contents) == 1 and is_last and _is_refusal(contents[0]):
        refusal = contents[0].get("refusal", str)
        assert refusal is not None
        message.put("refusal", refusal.value, refusal)
        _imply_type(contents[0], message, REFUSAL)
        message.mark(REFUSAL)
        message.keep_rest(item, REFUSAL)
    elif contents and all(isinstance(content.value, dict) for content in contents):
        for index, content in enumerate(contents):
            part = append_part(message)
            if not index:
                part.mark(MESSAGE)
                part.keep_rest(item, MESSAGE)
            read_part(content, part, "assistant")
    else:
        return False
    _imply_type(item, message, MESSAGE)
    role = item.get("role", str)
    if role is not None and role.value != "assistant":
        reason = "the output of a model is the assistant's"
        role.use(Outcome.CONVERTED, (*message.path, "role"), reason=reason, to="assistant")
    elif role is not None:
        role.implied_by(message)
    return True


def _is_refusal(content: Source) -> bool:
    if not isinstance(content.value, dict) or content.text("type") != REFUSAL:
        return False
    return content.text("refusal") is not None


def _read_reasoning(conversion: Import, item: Source, message: Target) -> bool:
    part = append_part(message)
    part.keep_rest(item)
    _imply_type(item, part, "reasoning")
    reasoning = part.child("reasoning")
    assert reasoning.value is not None
    id_, encrypted = item.get("id", str), item.get("encrypted_content", str)
    if id_ is not None and id_.value:
        reasoning.put("id", id_.value, id_)
    else:
        reasoning.default("id", "rs_0", "the item has no id")
    if encrypted is not None:
        reasoning.put("encrypted", encrypted.value, encrypted)
    summary = item.get("summary", list)
    for key in ("content", "summary"):
        entries = item.items(key)
        # The type of an entry notes in the opaque map where the text was.
        texts = [entry.get("text", str) for entry in entries if entry.get("type") is not None]
        found = [text for text in texts if text is not None]
        if not entries or len(found) != len(entries):
            continue
        if len(found) == 1:
            reasoning.put("text", found[0].value, found[0])
        else:
            joined = PARAGRAPH.join(text.value for text in found)
            list_ = item.get(key, list)
            assert list_ is not None
            reasoning.put("text", joined, list_, reason="several texts")
            conversion.keep_original(list_, "several texts")
        break
    if summary is not None and not summary.value:
        summary.implied_by(part)
    return True


def _read_call(item: Source, message: Target, number: int) -> bool:
    type_, name = item.text("type"), item.get("name", str)
    text = item.get("input", str)
    is_custom = type_ == "custom_tool_call" and text is not None
    if name is None or not can_be_call(name.value):
        return False
    if not is_custom and type_ != "function_call":
        return False
    index = len(message.value.get("tool_calls", []))
    call = message.append("tool_calls")
    message.keep_rest(item, CALLS, str(index))
    id_, arguments = item.get("call_id", str), item.get("arguments")
    if id_ is not None and id_.value:
        call.put("id", id_.value, id_)
    else:
        call.default("id", f"call_{number}_{index}", "the call has no id")
    call.put("name", name.value, name)
    _imply_type(item, call, "function_call")
    if is_custom and text is not None:
        call.put("raw", text.value, text)
    elif arguments is not None:
        read_arguments(call, arguments, written_as_text=True)
    else:
        call.default("map", {}, "the call has no arguments")
    call.value["part_index"] = _parts_of(message)
    return True
