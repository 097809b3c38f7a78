"""Assertions about messages for tests, and the text that explains why two are not equal.

pytest shows the text after a failed ``assert actual == expected``. `assert_equal` also has a
tolerance, and works in any test runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeGuard

from crucible_ir.diffing import diff
from crucible_ir.diffing.wording import change_counts, change_words
from crucible_ir.errors import plural
from crucible_ir.schema.types import descriptor_of, message_types

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["assert_equal"]


def assert_equal(
    actual: Message,
    expected: Message,
    *,
    tolerance: float = 0.0,
    defaults_equal: bool = False,
) -> None:
    """Assert that two messages are equal; the error lists the fields that differ.

    Args:
        actual: The message that a test has got.
        expected: The message that it expects.
        tolerance: Doubles ``x`` and ``y`` are equal if ``|x - y| <= tolerance * max(1, |x|, |y|)``.
        defaults_equal: Whether an unset field equals one that is set to its default.

    Raises:
        AssertionError: The messages differ, or their types do.
        ComparisonError: The tolerance is invalid.
        EncodeError: A message has unknown fields, or has no JSON.

    >>> import crucible_ir as ir
    >>> assert_equal(ir.new_stats(alpha=0.05), ir.new_stats(alpha=0.0500001), tolerance=1e-6)
    >>> try:
    ...     assert_equal(ir.new_model_ref(id="gpt2"), ir.new_model_ref(id="llama"))
    ... except AssertionError as error:
    ...     print(error)
    ModelRef differs: 1 changed
    --- expected
    +++ actual
    ~ id: "llama" → "gpt2"
    """
    __tracebackhide__ = True
    options: dict[str, Any] = {"tolerance": tolerance, "defaults_equal": defaults_equal}
    lines = difference(expected, actual, ("expected", "actual"), **options)
    if lines:
        raise AssertionError("\n".join(lines))


def difference(
    one: Message, other: Message, names: tuple[str, str], *, full: bool = False, **options: Any
) -> list[str]:
    """Return lines with the changes that turn a message into another; none if they are equal.

    Args:
        one: A message.
        other: Another.
        names: What each is called.
        full: Whether to show all of long values.
        **options: The options of `crucible_ir.diff`.

    Raises:
        ComparisonError: An option is invalid.
        EncodeError: A message has unknown fields, or has no JSON.

    >>> from crucible_ir import v1
    >>> difference(v1.StageDef(), v1.StageDef(name="a"), ("before", "after"))
    ['StageDef differs: 1 added', '--- before', '+++ after', '+ name: "a"']
    """
    type_, other_type = descriptor_of(one), descriptor_of(other)
    if type_.full_name != other_type.full_name:
        return [f"the types differ: {names[0]} {type_.name}, {names[1]} {other_type.name}"]
    changes = diff(one, other, **options)
    if not changes:
        return []
    return [
        f"{type_.name} differs: {change_counts(changes)}",
        f"--- {names[0]}",
        f"+++ {names[1]}",
        *("".join(change_words(change, full=full)) for change in changes),
    ]


def differences(
    ones: Sequence[Message], others: Sequence[Message], names: tuple[str, str], *, full: bool
) -> list[str]:
    """Return lines with the changes between two lists of messages, compared position by position.

    >>> from crucible_ir import v1
    >>> stages = [v1.StageDef(name="a"), v1.StageDef(name="b")]
    >>> for line in differences(stages, stages[:1], ("left", "right"), full=False):
    ...     print(line)
    left has 2 messages, right has 1 message
    [1] StageDef: only in left
    """
    lines = []
    if len(ones) != len(others):
        counts = (plural(len(messages), "message") for messages in (ones, others))
        lines.append(
            ", ".join(f"{name} has {count}" for name, count in zip(names, counts, strict=True))
        )
    for index, (one, other) in enumerate(zip_longest(ones, others)):
        if one is None or other is None:
            there, name = (other, names[1]) if one is None else (one, names[0])
            lines.append(f"[{index}] {descriptor_of(there).name}: only in {name}")
        elif found := difference(one, other, names, full=full):
            lines.append(f"[{index}] {found[0]}")
            lines += found[1:]
    return lines


def is_message(value: object) -> TypeGuard[Message]:
    """Return whether a value is a message of the IR.

    >>> from crucible_ir import v1
    >>> is_message(v1.StageDef()), is_message("StageDef")
    (True, False)
    """
    return type(value) in message_types().values()


def are_messages(values: object) -> TypeGuard[Sequence[Message]]:
    """Return whether a value is a list of messages of the IR, and not an empty one.

    >>> from crucible_ir import v1
    >>> experiment = v1.Experiment(pipeline=[v1.StageDef()])
    >>> are_messages(experiment.pipeline), are_messages([]), are_messages("ab")
    (True, False, False)
    """
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        return False
    return bool(values) and all(map(is_message, values))
