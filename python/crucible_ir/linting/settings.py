"""Settings: the selection of lints that configuration files define for a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crucible_ir.errors import near_miss, shorten
from crucible_ir.linting.findings import Severity
from crucible_ir.linting.selection import Selection, SelectionError

#: The configuration files and the keys of their tables, in order of precedence.
_FILES = {
    "crucible-ir.toml": ("lint",),
    "pyproject.toml": ("tool", "crucible-ir", "lint"),
}

#: The value of ``fail-on`` for which no finding fails a check.
_NEVER = "never"


def load_settings(folder: Path) -> Selection:
    """Return the selection that applies to the documents in a folder.

    The settings are read from the table ``[lint]`` in ``crucible-ir.toml`` or
    ``[tool.crucible-ir.lint]`` in ``pyproject.toml``, in the folder or its nearest parent that has
    one; ``crucible-ir.toml`` takes precedence. The keys are ``select``, ``ignore`` (lists of ids or
    subjects) and ``fail-on`` (``"info"``, ``"warning"`` or ``"never"``). Without settings, all
    lints are selected.

    Raises:
        SelectionError: A file cannot be read, or contains an unknown key, lint or value.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     settings = Path(folder, "crucible-ir.toml")
    ...     _ = settings.write_text('[lint]' + chr(10) + 'ignore = ["ensemble"]')
    ...     load_settings(Path(folder)).ignore
    ('ensemble',)
    """
    folder = folder.absolute()
    for parent in (folder, *folder.parents):
        for name, keys in _FILES.items():
            file = parent / name
            if file.is_file():
                table = _table(file, keys)
                if table is not None:
                    return _selection(table, f"{file}: [{'.'.join(keys)}]")
    return Selection()


def _table(file: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the settings table of a file; ``None`` if it has none."""
    table: Any = _read(file)
    for depth, key in enumerate(keys):
        if not isinstance(table, dict):
            raise SelectionError(f"{file}: {'.'.join(keys[:depth])} must be a table")
        if key not in table:
            _reject_misspelling(file, table, keys[: depth + 1])
            return None
        table = table[key]
    if not isinstance(table, dict):
        raise SelectionError(f"{file}: {'.'.join(keys)} must be a table")
    return table


def _read(file: Path) -> dict[str, Any]:
    # Imported here because most lint runs find no settings.
    import tomllib

    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise SelectionError(f"{file}: invalid or unreadable TOML: {error}") from error


def _reject_misspelling(file: Path, table: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Raise if a table contains a misspelling of the last key.

    Any near miss counts in our own tables. The tables of ``pyproject.toml`` that are shared with
    other tools may have similar names, so there only an underscore instead of the hyphen counts.
    """
    *above, wanted = keys
    shared = above in ([], ["tool"]) and file.name == "pyproject.toml"
    for name in table:
        if name.replace("_", "-") == wanted if shared else near_miss(name, [wanted]):
            unknown = ".".join((*above, name))
            raise SelectionError(f'{file}: unknown table "{unknown}"{near_miss(name, [wanted])}')


def _selection(table: dict[str, Any], where: str) -> Selection:
    known = {"select": _entries, "ignore": _entries, "fail-on": _severity}
    arguments: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise SelectionError(f'{where}: unknown key "{key}"{near_miss(key, known)}')
        arguments[key.replace("-", "_")] = known[key](value, f"{where}: {key}")
    try:
        return Selection(**arguments)
    except SelectionError as error:
        raise SelectionError(f"{where}: {error}") from None


def _entries(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise SelectionError(f"{where} must be a list of lint ids, got {shorten(value)}")
    return tuple(value)


def _severity(value: object, where: str) -> Severity | None:
    choices = [severity.value for severity in Severity]
    if value == _NEVER:
        return None
    if value not in choices:
        hint = near_miss(value, [*choices, _NEVER]) if isinstance(value, str) else ""
        options = ", ".join(f'"{choice}"' for choice in choices)
        got = shorten(value)
        raise SelectionError(f'{where} must be {options} or "{_NEVER}", got {got}{hint}')
    return Severity(value)
