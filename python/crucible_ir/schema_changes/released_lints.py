"""The table of lints as a release records it: what a later release must not have made law."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crucible_ir.schema_changes.versions import SchemaError


@dataclass(frozen=True, slots=True)
class ReleasedLint:
    """One lint of a release.

    Attributes:
        id: The lint's id.
        severity: How much its advice matters.
        summary: What it looks for, as one sentence.
        type: The full name of the message type of the example.
        path: The field that it gave advice on.
        example: A valid message that it gave advice on, as ProtoJSON with the schema's own names.
    """

    id: str
    severity: str
    summary: str
    type: str
    path: str
    example: Mapping[str, Any]


def installed_lints() -> dict[str, ReleasedLint]:
    """Return this package's lints by id, in the order of their ids."""
    from google.protobuf import json_format

    from crucible_ir.linting import LINTS, lint

    found = {}
    for lint_id, entry in sorted(LINTS.items()):
        message = json_format.ParseDict(dict(entry.bad), entry.example_type())
        (path,) = {advice.path for advice in lint(message) if advice.id == lint_id}
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
        name: What errors call it.
        content: The JSON.

    Raises:
        SchemaError: It is not such a table.
    """
    try:
        lints = [ReleasedLint(**each) for each in json.loads(content)]
    except (ValueError, TypeError, RecursionError):
        raise SchemaError(f"{name}: is not the table of lints of a release") from None
    return {each.id: each for each in lints}
