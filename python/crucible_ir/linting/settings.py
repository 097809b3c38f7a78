"""Settings: the selection of lints that the files around a document ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crucible_ir.errors import near_miss, shorten
from crucible_ir.linting.advice import Severity
from crucible_ir.linting.selection import Selection, SelectionError

#: The files that may hold settings, and the tables in them, in order of precedence.
_FILES = {
    "crucible-ir.toml": ("lint",),
    "pyproject.toml": ("tool", "crucible-ir", "lint"),
}

#: The word for `Selection.fail_on` that lets all advice pass.
_NEVER = "never"


def load_settings(folder: Path) -> Selection:
    """Return the selection that holds for the documents in a folder.

    The settings are those of the nearest folder, from this one upward, with a table ``[lint]`` in
    ``crucible-ir.toml`` or ``[tool.crucible-ir.lint]`` in ``pyproject.toml``; where both are, the
    first counts. There are the keys ``select``, ``ignore`` (lists of ids or subjects) and
    ``fail-on`` (``"info"``, ``"warning"`` or ``"never"``). Without a file, all lints count.

    Raises:
        SelectionError: A file cannot be read, or holds a key, lint or value that is not known.
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
    """Return the table of settings in a file, if it has one."""
    table: Any = _read(file)
    for depth, key in enumerate(keys):
        if not isinstance(table, dict):
            raise SelectionError(f"{file}: {'.'.join(keys[:depth])} should be a table")
        if key not in table:
            _refuse_misspelt(file, table, keys[: depth + 1])
            return None
        table = table[key]
    if not isinstance(table, dict):
        raise SelectionError(f"{file}: {'.'.join(keys)} should be a table")
    return table


def _read(file: Path) -> dict[str, Any]:
    # Imported here, since most lint runs find no settings.
    import tomllib

    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise SelectionError(f"{file}: cannot be read as TOML: {error}") from error


def _refuse_misspelt(file: Path, table: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Raise if a table holds a misspelling of the key that was looked for.

    In what is ours any near miss is one. In ``pyproject.toml``, where similar names may be those of
    other tools, only an underscore for the hyphen is.
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
        raise SelectionError(f"{where} should be a list of lint ids, got {shorten(value)}")
    return tuple(value)


def _severity(value: object, where: str) -> Severity | None:
    choices = [severity.value for severity in Severity]
    if value == _NEVER:
        return None
    if value not in choices:
        hint = near_miss(value, [*choices, _NEVER]) if isinstance(value, str) else ""
        options = ", ".join(f'"{choice}"' for choice in choices)
        got = shorten(value)
        raise SelectionError(f'{where} should be {options} or "{_NEVER}", got {got}{hint}')
    return Severity(value)
