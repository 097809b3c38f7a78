"""Check the schema for breaking changes since every release in tests/compat.

buf checks the names and numbers that determine code and encodings; `crucible_ir.schema_changes`
also checks rules, defaults and lints. The exit status is 0 if there is no breaking change, 1 if
there is one, and 2 if a check could not run.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import schema_image
from crucible_ir.cli.console import Console
from crucible_ir.cli.views.schema_changes import schema_change_lines
from crucible_ir.schema_changes import SchemaError, SchemaVersion, compare, find_schema
from crucible_ir.schema_changes.sources import installed_lints

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT / "tests" / "compat"
GOOD, BREAKING, COULD_NOT_RUN = 0, 1, 2

#: The exit status of buf for a breaking change.
BUF_BREAKING = 100


def main() -> int:
    """Run both checks against each release and return the highest exit status."""
    images = sorted(RELEASES.glob("*.binpb"))
    try:
        if not images:
            raise SchemaError(f"no release in {RELEASES}")
        current = compiled()
        return max(
            status
            for image in images
            for status in (check_with_buf(image), check_changes(image, current))
        )
    except (SchemaError, subprocess.CalledProcessError, OSError) as error:
        print(f"check_breaking: {error}", file=sys.stderr)
        return COULD_NOT_RUN


def compiled() -> SchemaVersion:
    """Compile the `.proto` files, because generated files may be out of date."""
    published = schema_image.build(ROOT).published
    return SchemaVersion.parse("proto", published.SerializeToString(), installed_lints())


def check_with_buf(image: Path) -> int:
    """Run buf's check against a release and return the exit status."""
    buf = Path(sysconfig.get_path("scripts")) / "buf"
    arguments = ["breaking", "proto", "--against", str(image.relative_to(ROOT))]
    print("$ buf", *arguments, flush=True)
    status = subprocess.run([str(buf), *arguments], cwd=ROOT, check=False).returncode
    return {0: GOOD, BUF_BREAKING: BREAKING}.get(status, COULD_NOT_RUN)


def check_changes(image: Path, current: SchemaVersion) -> int:
    """Print the changes since a release and return the exit status."""
    released = replace(find_schema(str(image)), name=str(image.relative_to(ROOT)))
    changes = compare(released, current)
    Console(sys.stdout).print_lines(schema_change_lines(changes, released, current))
    return BREAKING if any(change.is_breaking for change in changes) else GOOD


if __name__ == "__main__":
    sys.exit(main())
