"""Keep what later checks hold this version's successors to: its schema, lints and documents.

Run through ``make release-image`` once a release. A file that is there already never changes; one
that is missing is added only while the schema still is the one of the release.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import crucible_ir
from crucible_ir.schema_changes import compare, find_schema
from crucible_ir.schema_changes.changes import IN_DEVELOPMENT
from crucible_ir.schema_changes.sources import (
    INSTALLED,
    installed_lints,
    lints_file,
    write_lints,
)
from release_documents import documents_file, write_documents

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT / "tests" / "compat"
DESCRIPTOR_SET = ROOT / "python" / "crucible_ir" / "schema" / "descriptors.binpb"


class ReleaseError(Exception):
    """The release cannot be kept."""


def main() -> int:
    """Write the files of the release that are missing, and return the exit status."""
    image = RELEASES / f"crucible_ir-{crucible_ir.__version__}.binpb"
    try:
        written = keep(image)
    except ReleaseError as error:
        print(f"keep_release: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"wrote {path}")
    return 0


def keep(image: Path) -> list[Path]:
    """Write the files of a release that are missing and return their paths.

    Args:
        image: The path of the release's descriptor set.

    Raises:
        ReleaseError: All of them are there, or the release had another schema than this one.
    """
    contents: dict[Path, Callable[[], bytes]] = {
        image: DESCRIPTOR_SET.read_bytes,
        lints_file(image): lambda: write_lints(installed_lints()).encode(),
        documents_file(image): lambda: write_documents().encode(),
    }
    missing = [path for path in contents if not path.exists()]
    if not missing:
        raise ReleaseError(f"{image} and what belongs to it exist: a release does not change")
    if image.exists():
        _ensure_same_schema(image)
    image.parent.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.write_bytes(contents[path]())
    return missing


def _ensure_same_schema(image: Path) -> None:
    changes = compare(find_schema(str(image)), find_schema(INSTALLED))
    stable = [change for change in changes if change.package not in IN_DEVELOPMENT]
    if stable:
        raise ReleaseError(
            f"{image} has another schema than this one ({stable[0].place}:"
            f" {stable[0].kind}): a release does not change, so raise the version"
        )


if __name__ == "__main__":
    sys.exit(main())
