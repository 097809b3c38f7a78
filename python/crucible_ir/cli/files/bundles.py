"""Bundles as input, and their problems as issues of a report."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from functools import wraps
from typing import IO, TYPE_CHECKING, Any, Final

import click

from crucible_ir.cli.files.inputs import STANDARD, unreadable
from crucible_ir.cli.program import LimitOption
from crucible_ir.cli.session import INVALID, CannotRunError, Session, with_options
from crucible_ir.interchange.bundle.limits import BundleLimits
from crucible_ir.serialization.limits import Limits

if TYPE_CHECKING:
    from crucible_ir.interchange.bundle import Bundle, BundleFinding


#: The most problems that are printed one by one.
_PRINTED: Final = 20

_HELP = {
    "max_documents": "Reject bundles with more documents.",
    "max_total_bytes": "Reject bundles whose documents have more bytes together.",
    "max_bytes": "Reject larger documents.",
    "max_expansion": "Reject entries that expand more times, after a free start.",
}


def add_bundle_limits(*, beside_read_options: bool = False) -> Callable[[Any], Any]:
    """Add the options for the limits on bundles, which the command receives as ``limits``.

    Args:
        beside_read_options: Whether the command also has the options for reading, which then have
            to be added after these. The limits that both have apply to both.
    """
    shared = {each.name for each in fields(Limits)} if beside_read_options else set()
    added = [each for each in fields(BundleLimits) if each.name not in shared]

    def add(command: Any) -> Any:
        @wraps(command)
        def with_limits(*arguments: Any, **options: Any) -> Any:
            values = {each.name: options.pop(each.name) for each in added}
            if beside_read_options:
                limits = options["read_options"].limits
                values["max_bytes"] = limits.max_bytes
                values["max_expansion"] = limits.max_expansion
            return command(*arguments, limits=BundleLimits(**values), **options)

        decorated: Any = with_limits
        for each in reversed(added):
            decorated = click.option(
                f"--{each.name.replace('_', '-')}",
                cls=LimitOption,
                type=click.IntRange(1),
                default=each.default,
                show_default=True,
                metavar="N",
                help=_HELP[each.name],
            )(decorated)
        return decorated

    return add


class UnreadableBundleError(CannotRunError):
    """The file of a bundle cannot be read; the text does not contain its name."""


@contextmanager
def open_bundle(name: str, limits: BundleLimits) -> Iterator[Bundle]:
    """Open a bundle by the name of its file, or ``-``.

    Raises:
        UnreadableBundleError: The file cannot be read.
        BundleError: It is not a bundle, or is over a limit.
    """
    from crucible_ir.interchange.bundle import Bundle

    with ExitStack() as opened:
        # Errors of the caller, who may write files meanwhile, are not errors of this file.
        try:
            raw: IO[bytes] = sys.stdin.buffer
            if name != STANDARD:
                raw = opened.enter_context(open(name, "rb"))
            file = raw if raw.seekable() else _in_memory(raw, limits)
            bundle = opened.enter_context(Bundle(file, limits))
        except OSError as error:
            raise UnreadableBundleError(unreadable(name, error)) from None
        yield bundle


def _in_memory(raw: IO[bytes], limits: BundleLimits) -> IO[bytes]:
    """Return the content of a pipe, in which positions cannot be set."""
    most = limits.max_total_bytes
    content = raw.read(most + 1)
    if len(content) > most:
        raise UnreadableBundleError(f"is a pipe with more than {most} bytes: write it to a file")
    return io.BytesIO(content)


def print_findings(session: Session, name: str, findings: Sequence[BundleFinding]) -> int:
    """Print the problems of a bundle on standard error, and return the exit status for them."""
    for finding in findings[:_PRINTED]:
        where = "".join(f"{part}: " for part in (name, finding.document, finding.path) if part)
        session.print_error(f"{where}{with_options(finding.message)} [{finding.rule}]")
    if len(findings) > _PRINTED:
        more = len(findings) - _PRINTED
        session.print_error(f"{name}: and {more} more; `crucible-ir bundle check` sums them up")
    return INVALID
