"""Save the schema, lints, documents and conformance cases of this version, to check later ones.

Run it with ``make release-image`` once per release. Existing files are never changed; missing ones
are added only if the schema is still the one of the release.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import crucible_ir
from crucible_ir.conformance.frames import frame
from crucible_ir.conformance.suites import read_suites, suite_folder
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
    """The release cannot be saved."""


def main() -> int:
    """Write the missing files of the release, and return the exit status."""
    image = RELEASES / f"crucible_ir-{crucible_ir.__version__}.binpb"
    try:
        written = snapshot(image)
    except ReleaseError as error:
        print(f"snapshot_release: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"wrote {path}")
    return 0


def snapshot(image: Path) -> list[Path]:
    """Write the missing files of a release and return their paths.

    Args:
        image: The path of the descriptor set of the release.

    Raises:
        ReleaseError: No file is missing, or the release has another schema than this version.
    """
    contents: dict[Path, Callable[[], bytes]] = {
        image: DESCRIPTOR_SET.read_bytes,
        lints_file(image): lambda: write_lints(installed_lints()).encode(),
        documents_file(image): lambda: write_documents().encode(),
        suites_file(image): lambda: b"".join(map(frame, read_suites(suite_folder()))),
    }
    missing = [path for path in contents if not path.exists()]
    if not missing:
        raise ReleaseError(f"{image} and its other files exist: a release does not change")
    if image.exists():
        _ensure_same_schema(image)
    image.parent.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.write_bytes(contents[path]())
    return missing


def suites_file(image: Path) -> Path:
    """Return the file of a release's conformance cases, given its descriptor set."""
    return image.with_name(f"{image.name.removesuffix('.binpb')}.conformance.binpbs")


def _ensure_same_schema(image: Path) -> None:
    changes = compare(find_schema(str(image)), find_schema(INSTALLED))
    stable = [change for change in changes if change.package not in IN_DEVELOPMENT]
    if stable:
        raise ReleaseError(
            f"{image} has another schema than this version ({stable[0].place}:"
            f" {stable[0].kind}): a release does not change, so increase the version"
        )


if __name__ == "__main__":
    sys.exit(main())
