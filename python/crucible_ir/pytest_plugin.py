"""The plugin of pytest: a failed comparison of messages shows the fields that differ.

pytest loads it in every session of an environment that has the package, so it imports the rest of
the package only when a comparison with a message of the IR has failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

#: The packages of the classes of messages and of their lists.
_PACKAGES = ("crucible_ir.", "google.")


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """Explain why two messages, or two lists of messages, are not equal."""
    if op != "==" or not (_may_be_messages(left) or _may_be_messages(right)):
        return None
    from crucible_ir.errors import Error
    from crucible_ir.testing import are_messages, difference, differences, is_message

    names = ("left", "right")
    full = config.get_verbosity() > 1
    lines: list[str] = []
    try:
        if is_message(left) and is_message(right):
            lines = difference(left, right, names, full=full)
        elif are_messages(left) and are_messages(right):
            lines = ["the lists differ", *differences(left, right, names, full=full)]
    except Error:
        # What cannot be compared, such as messages with unknown fields, pytest shows as it is.
        return None
    return lines or None


def _may_be_messages(value: object) -> bool:
    """Return whether a value may be a message or a list of them, without an import."""
    if isinstance(value, list | tuple):
        return bool(value) and _may_be_messages(value[0])
    return type(value).__module__.startswith(_PACKAGES)
