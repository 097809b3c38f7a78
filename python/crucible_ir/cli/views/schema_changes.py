"""Changes between two versions of the schema, as text, JSON and GitHub annotations."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.github_report import workflow_command
from crucible_ir.errors import printable
from crucible_ir.schema_changes import Release, SchemaChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crucible_ir.cli.console import Line
    from crucible_ir.schema_changes import SchemaVersion

#: The mark at the start of a change's line and its style, by the release that may make it.
_MARKS: Final = {
    Release.V2: ("!", "bad"),
    Release.MINOR: ("~", "warn"),
    Release.ANY: ("=", "good"),
}

_LEVELS: Final = {Release.V2: "error", Release.MINOR: "notice", Release.ANY: "notice"}


def schema_change_lines(
    changes: Sequence[SchemaChange], old: SchemaVersion, new: SchemaVersion
) -> Iterator[Line]:
    """Yield a line for each version, two for each change, and one with the counts."""
    for mark, version in (("---", old), ("+++", new)):
        yield ((f"{mark} {printable(version.name)}", "name"),)
    for change in changes:
        mark, style = _MARKS[change.release]
        yield (
            (f"{mark} {printable(change.place)}: ", style),
            f"{_kind(change)}: {_difference(change)}",
        )
        yield ((f"    {_verdict(change)}", "aside"),)
    if old.lints is None:
        yield (("lints: not compared; the first version has no record of its lints", "aside"),)
    yield ((_summary(changes), "aside"),)


def _kind(change: SchemaChange) -> str:
    return change.kind.replace("_", " ")


def _difference(change: SchemaChange) -> str:
    if change.old is None or change.new is None:
        return printable(change.old or change.new or "")
    return f"{printable(change.old)} → {printable(change.new)}"


def _verdict(change: SchemaChange) -> str:
    return f"{_allowed(change.release)}: {change.promise}"


def _allowed(release: Release) -> str:
    return "breaking, only in v2" if release is Release.V2 else f"allowed in {_article(release)}"


def _article(release: Release) -> str:
    return f"a {release}" if release is Release.MINOR else release.value


def _summary(changes: Sequence[SchemaChange]) -> str:
    if not changes:
        return "no changes"
    counts = Counter(change.release for change in changes)
    parts = [f"{counts[release]} {_allowed(release)}" for release in _MARKS if counts[release]]
    return f"{len(changes)} change{'' if len(changes) == 1 else 's'}: {'; '.join(parts)}"


def schema_changes_json(
    changes: Sequence[SchemaChange], old: SchemaVersion, new: SchemaVersion
) -> str:
    """Return the changes as one JSON object."""
    content = {
        "command": "schema diff",
        "old": old.name,
        "new": new.name,
        "lints_compared": old.lints is not None,
        "breaking": sum(change.is_breaking for change in changes),
        "changes": [
            {
                "kind": change.kind.value,
                "package": change.package,
                "place": change.place,
                "old": change.old,
                "new": change.new,
                "release": change.release.value,
                "breaking": change.is_breaking,
                "promise": change.promise,
            }
            for change in changes
        ],
    }
    # ASCII only: JSON can escape a file name that is not UTF-8, but not contain it.
    return json.dumps(content, indent=2)


def schema_changes_github(changes: Sequence[SchemaChange]) -> str:
    """Return a workflow command for each change: an error for what breaks, else a notice."""
    return "\n".join(
        workflow_command(
            _LEVELS[change.release],
            {"title": f"{_kind(change)}: {change.place}"},
            f"{change.place}: {_kind(change)}: {_difference(change)} ({_verdict(change)})",
        )
        for change in changes
    )
