"""The reference of the foreign formats, docs/interchange.md.

Its tables are what imports and exports of the documents in tests/interchange/documents really did.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module

import generated_files
from crucible_ir.interchange.mapping.format import FORMATS, Format, format_named
from crucible_ir.interchange.mapping.report import Entry, Outcome, Recorder
from crucible_ir.schema.types import descriptor_of

PAGE = "docs/interchange.md"

#: The part of the page that is written by hand.
INTRODUCTION = generated_files.ROOT / "tools" / "interchange_introduction.md"

DOCUMENTS = generated_files.ROOT / "tests" / "interchange" / "documents"

#: What stands for the indexes and keys in brackets, and for what is inside a value.
_SETS = re.compile(r'\[[\d,-]*\]|\["[^\]]*","[^\]]*"\]')
_DOCUMENT = re.compile(r"^([A-Z]\w*)\[[\d*]+\]")
_KEY = re.compile(r'\["(?:[^"\\]|\\.)*"\]')


@dataclass
class Row:
    """What became of the values at one place of a format, and of the field they became.

    Attributes:
        theirs: The path in the foreign format.
        ours: The path in the messages of this package, which begins with the type.
        imported: The outcomes of imports.
        exported: The outcomes of exports.
        reasons: The reasons.
    """

    theirs: str
    ours: str
    imported: set[Outcome] = field(default_factory=set)
    exported: set[Outcome] = field(default_factory=set)
    reasons: dict[str, None] = field(default_factory=dict)


def files() -> dict[str, str]:
    """Return the page by its path in the repository."""
    introduction = INTRODUCTION.read_text(encoding="utf-8")
    formats = [format_named(name) for name in FORMATS]
    listing = "\n".join(
        f"| [`{each.name}`](#{each.name}) | {each.title} | {_about(each)} |" for each in formats
    )
    table = f"| name | format | what is read and written |\n|---|---|---|\n{listing}"
    sections = "\n".join(map(section, formats))
    return {PAGE: f"{introduction.rstrip()}\n\n## The formats\n\n{table}\n\n{sections}"}


def section(format_: Format) -> str:
    """Return the section about one format."""
    rows = observe(format_)
    mapped = [row for row in rows if row.imported != {Outcome.OPAQUE} and not _is_kept(row)]
    opaque = sorted({row.theirs for row in rows if row.imported == {Outcome.OPAQUE}})
    lines = [
        f"## {format_.name}",
        "",
        introduction_of(format_),
        "",
        f"| {format_.title} | Crucible IR | import | export | remarks |",
        "|---|---|---|---|---|",
        *map(_line, mapped),
        "",
    ]
    if opaque:
        paths = ", ".join(f"`{path}`" for path in opaque)
        kept = "Kept as they are in an opaque map, and exported again, like every other key"
        lines += [f"{kept}: {paths}.", ""]
    return "\n".join(lines)


def _is_kept(row: Row) -> bool:
    """Return whether a row is about the opaque map that an import filled, seen by the export."""
    in_map = re.search(r"\.(options|metadata|extra)\.", row.ours) is not None
    return in_map and not row.imported


def introduction_of(format_: Format) -> str:
    """Return what the module of a format says about it, as Markdown."""
    module = import_module(f"crucible_ir.interchange.{FORMATS[format_.name]}")
    text = inspect.cleandoc(module.__doc__ or "")
    return re.sub(r"``", "`", text)


def observe(format_: Format) -> list[Row]:
    """Import the documents of a format and export the results, and return what became of them."""
    imports, exports = Recorder(), Recorder()
    rows: dict[tuple[str, str], Row] = {}
    exported: list[tuple[str, Entry]] = []
    for source in sorted((DOCUMENTS / format_.name).iterdir()):
        for documents in format_.import_records(format_.records(str(source)), imports):
            for message in documents:
                type_name = descriptor_of(message).name
                if type_name not in format_.exporters:
                    continue
                exports = Recorder()
                format_.export_one(message, exports)
                exported += [(type_name, entry) for entry in exports.report().entries]
    for entry in imports.report().entries:
        row = _row(rows, general(entry.path), general_field(entry.target))
        row.imported.add(entry.outcome)
        _add_reason(row, entry)
    for type_name, entry in exported:
        ours = f"{type_name}.{general_field(entry.path)}" if entry.path else ""
        row = _row(rows, general(entry.target), ours)
        row.exported.add(entry.outcome)
        _add_reason(row, entry)
    return list(rows.values())


def general(path: str) -> str:
    """Return a pattern with ``[*]`` for indexes and sets, and without its end ``.**``.

    >>> general('rows[0-2].values["a.b"].**')
    'rows[*].values["a.b"]'
    """
    return _SETS.sub("[*]", path).removesuffix(".**")


def general_field(path: str) -> str:
    """Return a pattern of a field in which the keys of maps are ``[*]``, too.

    The number of a document among several of its type is left out.

    >>> general_field('rows[0-2].values["a.b"].**'), general_field("EvaluationResult[1].task")
    ('rows[*].values[*]', 'EvaluationResult.task')
    """
    return _DOCUMENT.sub(r"\1", _KEY.sub("[*]", general(path)))


def _row(rows: dict[tuple[str, str], Row], theirs: str, ours: str) -> Row:
    return rows.setdefault((theirs, ours), Row(theirs, ours))


def _add_reason(row: Row, entry: Entry) -> None:
    if entry.reason:
        row.reasons.setdefault(entry.reason)


def _line(row: Row) -> str:
    cells = (
        _code(row.theirs),
        _code(row.ours),
        _outcomes(row.imported),
        _outcomes(row.exported),
        "; ".join(row.reasons).replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |"


def _code(path: str) -> str:
    return f"`{path}`" if path else ""


def _outcomes(outcomes: Iterable[Outcome]) -> str:
    return ", ".join(each for each in Outcome if each in outcomes)


def _about(format_: Format) -> str:
    return format_.about.replace("|", "\\|")
