"""Secrets in foreign records: they are dropped, since documents are stored and shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crucible_ir.linting.lints.opaque import may_name_secret, secrecy

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.conversion import Source


def drop_secrets(source: Source, advice: str, always: Mapping[str, str] | None = None) -> None:
    """Drop values that are surely secrets; remark on those that a name makes suspicious.

    Args:
        source: The record.
        advice: What to do instead of writing a secret.
        always: The reasons to drop the values of some keys.
    """
    always = always or {}
    waiting = [("", source)]
    while waiting:
        key, found = waiting.pop()
        if isinstance(found.value, str):
            if key in always:
                found.drop(always[key], secret=True)
            elif secrecy(key, found.value) is not None:
                found.drop(f"a secret; {advice}", secret=True)
            elif may_name_secret(key) and found.value:
                found.remark("kept, since only its name suggests that it may be a secret")
        elif isinstance(found.value, dict):
            name = found.text("name")
            for step in found.value:
                child = found.get(step)
                if child is not None:
                    # A variable or property has its name beside the value.
                    waiting.append((name if step == "value" and name else str(step), child))
        else:
            waiting += [(key, item) for item in found.members()]
