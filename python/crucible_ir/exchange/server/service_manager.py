"""Reports to the service manager that started this process, if there is one, such as systemd."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

#: The environment variable with the socket of the service manager.
_VARIABLE: Final = "NOTIFY_SOCKET"


def is_managed() -> bool:
    """Return whether a service manager waits for reports."""
    return bool(os.environ.get(_VARIABLE))


def notify(state: str) -> None:
    """Report a state to the service manager, as `sd_notify(3)` specifies it.

    Args:
        state: One or more lines, such as ``READY=1``.
    """
    address = os.environ.get(_VARIABLE)
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):
        # A socket in Linux's abstract namespace.
        address = f"\0{address[1:]}"
    # A manager that has gone away needs no reports.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.sendto(state.encode(), address)
