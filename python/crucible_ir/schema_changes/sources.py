"""Find versions of the schema, and their lints: installed, in descriptor sets, wheels, releases."""

from __future__ import annotations

import glob
import json
import os
import re
import zipfile
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from crucible_ir.schema_changes.versions import (
    ReleasedLint,
    RewrittenRule,
    SchemaError,
    SchemaVersion,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The name of the version of this package.
INSTALLED: Final = "installed"

#: The maximum size of a descriptor set in bytes, more than a hundred times that of the schema.
MAX_BYTES: Final = 64 * 1024 * 1024

_IN_WHEEL: Final = "crucible_ir/schema/descriptors.binpb"
_VERSION_NUMBER: Final = re.compile(r"v?(\d+(?:\.\d+)*\S*)")


def find_schema(name: str, releases: Path | None = None) -> SchemaVersion:
    """Find a version of the schema.

    Args:
        name: ``installed`` for the version of this package; the path of a binary descriptor set,
            next to which its lints may be recorded; the path of a wheel of this package; or, with
            a folder of releases, a version number.
        releases: The folder of releases, with descriptor sets named by `make release-image`
            (``crucible_ir-0.2.0.binpb``) or wheels.

    Raises:
        SchemaError: The schema does not exist or is invalid.
    """
    if name == INSTALLED:
        return installed_schema()
    path = Path(name)
    if path.is_dir():
        raise SchemaError(
            f"{name}: is a folder; create a descriptor set of its .proto files with `buf build"
            " --as-file-descriptor-set --output schema.binpb`"
        )
    if not path.exists() and _VERSION_NUMBER.fullmatch(name) and os.sep not in name:
        path = _release(name.removeprefix("v"), releases)
    if path.suffix == ".whl":
        return _in_wheel(path)
    version = SchemaVersion.parse(str(path), _content(path), _recorded_lints(path))
    return replace(version, rewritten_rules=_recorded_rules(path))


def read_schema(name: str, file: IO[bytes]) -> SchemaVersion:
    """Read a binary descriptor set.

    Args:
        name: The name for reports.
        file: The file, which is read to its end.

    Raises:
        SchemaError: The content is not a descriptor set, or cannot be read.
    """
    with _readable(name):
        return SchemaVersion.parse(name, _limited(name, file))


def installed_schema() -> SchemaVersion:
    """Return the version of this package."""
    from crucible_ir.schema.comments import descriptor_set

    return SchemaVersion.parse(INSTALLED, descriptor_set(), installed_lints())


def lints_file(image: Path) -> Path:
    """Return the file with the recorded lints of a release, given its descriptor set."""
    return image.with_name(f"{image.name.removesuffix('.binpb')}.lints.json")


def installed_lints() -> dict[str, ReleasedLint]:
    """Return this package's lints by id, in the order of their ids."""
    from google.protobuf import json_format

    from crucible_ir.linting import LINTS, lint

    found = {}
    for lint_id, entry in sorted(LINTS.items()):
        message = json_format.ParseDict(dict(entry.bad), entry.example_type())
        (path,) = {finding.path for finding in lint(message) if finding.id == lint_id}
        full_name = entry.example_type.DESCRIPTOR.full_name
        found[lint_id] = ReleasedLint(
            lint_id, entry.severity.value, entry.summary, full_name, path, entry.bad
        )
    return found


def write_lints(lints: Mapping[str, ReleasedLint]) -> str:
    """Return a table of lints as JSON."""
    return json.dumps([asdict(each) for each in lints.values()], indent=2) + "\n"


def read_lints(name: str, content: bytes) -> dict[str, ReleasedLint]:
    """Read a table of lints that `write_lints` wrote.

    Args:
        name: The name for errors.
        content: The JSON.

    Raises:
        SchemaError: The content is not a table of lints.
    """
    try:
        lints = [ReleasedLint(**each) for each in json.loads(content)]
    except (ValueError, TypeError, RecursionError):
        raise SchemaError(f"{name}: is not the table of lints of a release") from None
    return {each.id: each for each in lints}


def _release(number: str, releases: Path | None) -> Path:
    if releases is None:
        raise SchemaError(
            f"{number}: no such file; for a version number, pass the folder of releases with"
            " --releases FOLDER"
        )
    if not releases.is_dir():
        raise SchemaError(f"{releases}: no such folder")
    image = releases / f"crucible_ir-{number}.binpb"
    # The descriptor set takes precedence because its lints are recorded.
    found = (
        [image]
        if image.is_file()
        else sorted(releases.glob(f"crucible_ir-{glob.escape(number)}-*.whl"))
    )
    if not found:
        raise SchemaError(f"{releases}: no release {number}{_others(releases)}")
    return found[0]


def _others(releases: Path) -> str:
    names = (
        re.match(r"crucible_ir-([^-]+?)(?:\.binpb$|-.*\.whl$)", path.name)
        for path in sorted(releases.iterdir())
    )
    numbers = sorted({found[1] for found in names if found})
    return f"; available: {', '.join(numbers)}" if numbers else "; the folder has no releases"


def _content(path: Path) -> bytes:
    with _readable(str(path)), path.open("rb") as file:
        return _limited(str(path), file)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SchemaError(f"{name}: cannot be read: {reason}") from None


def _limited(name: str, file: IO[bytes]) -> bytes:
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SchemaError(f"{name}: exceeds the limit of {MAX_BYTES} bytes")
    return content


def _recorded_lints(path: Path) -> Mapping[str, ReleasedLint] | None:
    recorded = lints_file(path)
    return read_lints(str(recorded), _content(recorded)) if recorded.is_file() else None


def _recorded_rules(path: Path) -> tuple[RewrittenRule, ...]:
    """Return the rules that a later release rewrote, if they are recorded next to a release."""
    recorded = path.with_name(f"{path.name.removesuffix('.binpb')}.rewritten_rules.json")
    if not recorded.is_file():
        return ()
    try:
        return tuple(RewrittenRule(**each) for each in json.loads(_content(recorded)))
    except (ValueError, TypeError, RecursionError):
        raise SchemaError(f"{recorded}: is not a list of rewritten rules") from None


def _in_wheel(path: Path) -> SchemaVersion:
    try:
        with _readable(str(path)), zipfile.ZipFile(path) as wheel, wheel.open(_IN_WHEEL) as file:
            content = _limited(str(path), file)
    except KeyError:
        raise SchemaError(f"{path}: not a wheel of crucible-ir: {_IN_WHEEL} is missing") from None
    except SchemaError:
        raise
    except Exception as error:
        # zipfile raises errors of many types for damaged or encrypted archives.
        raise SchemaError(f"{path}: not a wheel: {error}") from None
    return SchemaVersion.parse(str(path), content)
