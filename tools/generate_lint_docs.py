"""Write docs/lints.md, the page on every lint, from the table of lints."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crucible_ir.linting import LINTS, Lint
from crucible_ir.linting.suppression import IGNORE_KEY

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lints.md"

INTRODUCTION = f"""\
<!-- Written by tools/generate_lint_docs.py from the table of lints. Do not edit. -->

# Lints

A lint is advice: a message that gets some may be valid, but looks like a mistake or a risk. What is
law is a rule of the schema, and `crucible-ir validate` reports it. `ir.lint(message)` returns the
advice on a message and on every message inside it.

## Which lints count

Settings are read from the nearest folder, from the document's upward, that has `[lint]` in
`crucible-ir.toml` or `[tool.crucible-ir.lint]` in `pyproject.toml`:

```toml
[tool.crucible-ir.lint]
select = ["ensemble", "uri.malformed"]   # empty or absent: every lint
ignore = ["ensemble.weights_sum"]
fail-on = "warning"                      # or "info", or "never"
```

An entry is a lint's id, or the part before its dot for all lints of one subject. The longest entry
that means a lint decides; `ignore` wins a draw.

A document switches lints off for itself and everything inside it by a list in its `metadata`:

```json
{{"metadata": {{"{IGNORE_KEY}": ["hedging.fractional_percentile"]}}}}
```

## The lints
"""


def main() -> int:
    """Write the page, or with --check say whether the committed one is out of date."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="change nothing; fail if stale")
    check = arguments.parse_args().check
    text = page(LINTS)
    if not check:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} does not match the table of lints: run tools/generate_lint_docs.py")
    return 1


def page(lints: Mapping[str, Lint]) -> str:
    """Return the page on some lints, in the order of their ids."""
    entries = [lints[lint_id] for lint_id in sorted(lints)]
    rows = (f"| [`{entry.id}`](#{anchor(entry.id)}) | {entry.severity} |" for entry in entries)
    table = "\n".join(("| lint | severity |", "|---|---|", *rows))
    return "\n".join((INTRODUCTION, table, "", "\n".join(map(section, entries))))


def anchor(heading: str) -> str:
    """Return the anchor that Markdown readers give a heading."""
    return heading.replace(".", "")


def section(entry: Lint) -> str:
    """Return the section on one lint."""
    type_name = entry.example_type.DESCRIPTOR.name
    return f"""\
### {entry.id}

Severity: {entry.severity}. {entry.summary}

Bad, as `{type_name}`:

```json
{written(entry.bad)}
```

Good:

```json
{written(entry.good)}
```
"""


def written(example: Mapping[str, Any]) -> str:
    """Return an example as JSON, on one line if it fits."""
    line = json.dumps(example, ensure_ascii=False)
    return line if len(line) <= 100 else json.dumps(example, ensure_ascii=False, indent=2)


if __name__ == "__main__":
    sys.exit(main())
