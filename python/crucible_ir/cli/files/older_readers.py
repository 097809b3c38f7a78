"""What the readers of an older release reject, or do not see, in a message that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.errors import EncodeError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import Format


def reject_newer(message: Message, release: str | None, format_: Format) -> list[str]:
    """Return a line for each new field that old readers of binary keep and do not see.

    Args:
        message: The message.
        release: The release of the readers; ``None`` for this one.
        format_: The format in which the message is written.

    Raises:
        EncodeError: The readers reject the message; the error has the path of the first reason.
    """
    if release is None:
        return []
    from crucible_ir.schema.releases import newer_parts

    parts = list(newer_parts(message, release, binary=not format_.is_text))
    if parts:
        first, *others = parts
        more = f", and {len(others)} more: see `crucible-ir lint --for`" if others else ""
        raise EncodeError(
            f"{first.subject} is new in {first.since}, and {release} does not read it{more}",
            path=first.path,
        )
    if format_.is_text:
        return []
    return [
        f"{part}; {release} keeps it as an unknown field" for part in newer_parts(message, release)
    ]
