"""Hold the schema to every release in tests/compat: buf for the wire, our own check for the rest.

The exit status is 0 if no release is broken, 1 if one is, and 2 if a check could not run. buf's
view is of the names and numbers that code and encodings are made of; `crucible_ir.schema_changes`
sees those too, and rules, defaults and lints.
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

#: What buf's own exit status for a breaking change is.
BUF_BREAKING = 100


def main() -> int:
    """Run both checks against each release and return the gravest exit status."""
    images = sorted(RELEASES.glob("*.binpb"))
    try:
        if not images:
            raise SchemaError(f"there is no release in {RELEASES}")
        current = compiled()
        return max(status for image in images for status in (by_buf(image), by_us(image, current)))
    except (SchemaError, subprocess.CalledProcessError, OSError) as error:
        print(f"check_breaking: {error}", file=sys.stderr)
        return COULD_NOT_RUN


def compiled() -> SchemaVersion:
    """Compile the `.proto` files: what is generated from them may be out of date."""
    published = schema_image.build(ROOT).published
    return SchemaVersion.parse("proto", published.SerializeToString(), installed_lints())


def by_buf(image: Path) -> int:
    """Run buf's check against a release and return the exit status that it calls for."""
    buf = Path(sysconfig.get_path("scripts")) / "buf"
    arguments = ["breaking", "proto", "--against", str(image.relative_to(ROOT))]
    print("$ buf", *arguments, flush=True)
    status = subprocess.run([str(buf), *arguments], cwd=ROOT, check=False).returncode
    return {0: GOOD, BUF_BREAKING: BREAKING}.get(status, COULD_NOT_RUN)


def by_us(image: Path, current: SchemaVersion) -> int:
    """Print what changed since a release and return the exit status that it calls for."""
    released = replace(find_schema(str(image)), name=str(image.relative_to(ROOT)))
    changes = compare(released, current)
    Console(sys.stdout).print_lines(schema_change_lines(changes, released, current))
    return BREAKING if any(change.is_breaking for change in changes) else GOOD


if __name__ == "__main__":
    sys.exit(main())
