"""The problems of bundles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crucible_ir.errors import Error

#: The ids of what `crucible-ir explain` explains about bundles.
ARCHIVE = "bundle.archive"
ENTRY = "bundle.entry"
MANIFEST_READABLE = "bundle.manifest"
LISTED = "bundle.listed"
PRESENT = "bundle.present"
DIGEST = "bundle.digest"
IDENTITY = "bundle.identity"
UNIQUE = "bundle.unique"
DANGLING = "bundle.dangling"
AMBIGUOUS = "bundle.ambiguous"
VERSION = "bundle.version"
STAGE = "bundle.stage"
ALIAS = "bundle.alias"
CYCLE = "bundle.cycle"


@dataclass(frozen=True, slots=True)
class BundleFinding:
    """A problem of a bundle.

    Attributes:
        rule: Its id, such as ``bundle.dangling``, or that of a rule of the schema.
        document: The type and the id of the document, such as ``ModelRef/gpt2``, or the path of the
            entry if the document is not known; empty if the problem is that of the whole bundle.
        path: The field in the document; empty for the whole document.
        message: A description.
    """

    rule: str
    document: str
    path: str
    message: str

    def __str__(self) -> str:
        where = "".join(f"{part}: " for part in (self.document, self.path) if part)
        return f"{where}{self.message} [{self.rule}]"


class BundleError(Error, ValueError):
    """A file is not a bundle, or a bundle that cannot be trusted.

    Attributes:
        findings: The problems; there is at least one.
    """

    def __init__(self, findings: Iterable[BundleFinding]) -> None:
        self.findings = tuple(findings)
        more = len(self.findings) - 1
        super().__init__(f"{self.findings[0]}{f', and {more} more' if more else ''}")


def archive_error(reason: str, entry: str = "") -> BundleError:
    """Return the error for a file that cannot be read as a bundle."""
    return BundleError([BundleFinding(ARCHIVE, entry, "", reason)])
