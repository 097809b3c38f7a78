"""Options that the commands with a listener for HTTP share."""

from __future__ import annotations

import re
from typing import Final

import click

_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


def check_prefix(prefix: str) -> None:
    """Check the value of ``--http-prefix``; it may be empty.

    Raises:
        BadParameter: It is not a path.
    """
    if prefix and not _PREFIX.fullmatch(prefix):
        raise click.BadParameter(
            "expected a path such as /exchange, without a slash at the end",
            param_hint="--http-prefix",
        )
