"""The reference of the Python package, from the docstrings of its public names.

The pages are in reStructuredText, the language of Sphinx's directives for docstrings.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import crucible_ir as ir
from docs_site.markdown import page, table, toctree

#: The folder of the pages, and the name of the list of them.
API = "api"

#: The titles of the pages of `crucible_ir`, by the package or module that the names come from.
_TITLES = {
    "building": "Construction",
    "validation": "Validation",
    "linting": "Lints",
    "serialization": "Reading and writing",
    "errors": "Errors",
    "schema": "Schema",
    "diffing": "Differences",
    "showing": "Display",
    "tracking": "Tracking",
    "bulk": "Tables",
}

#: Packages with names that are not names of `crucible_ir`, and the titles of their pages.
_PACKAGES = {
    "exchange": "Exchange",
    "interchange": "Interchange",
    "plotting": "Charts",
    "testing": "Tests",
    "native": "Native engine",
}

#: The public names of a module that does not list its names.
_NAMES = {"native": ("NativeEngineError", "Status", "status")}

_INTRODUCTION = """\
These are the names of `crucible_ir`, usually imported as `ir`, and of its packages with names of
their own. The messages are classes of `crucible_ir.v1`, and [Messages](messages.md) has a page for
each with its constructor."""


def api_pages() -> dict[str, str]:
    """Return the pages of the API, and the list of them, by their paths on the site."""
    names: dict[str, list[str]] = {home: [] for home in _PACKAGES}
    for name in dir(ir):
        module = getattr(getattr(ir, name), "__module__", None)
        if name == "MESSAGE_TYPES":
            names.setdefault("schema", []).append(name)
        elif module is not None and not _is_constructor(name):
            names.setdefault(module.split(".")[1], []).append(name)
    missing = names.keys() - _TITLES.keys() - _PACKAGES.keys()
    assert not missing, f"a page has no title in {__name__}: {missing}"
    pages, rows = {}, []
    for home, title in {**_TITLES, **_PACKAGES}.items():
        package = f"crucible_ir.{home}"
        paths = [f"crucible_ir.{name}" for name in names[home]]
        paths += [f"{package}.{name}" for name in _public_names(package) if name not in names[home]]
        pages[home] = _page(package if home in _PACKAGES else "crucible_ir", title, paths)
        links = ", ".join(f"{{py:obj}}`{path.rpartition('.')[2]} <{path}>`" for path in paths)
        rows.append([f"[{title}]({API}/{home}.rst)", links])
    contents = page(
        [
            "# Python API",
            _INTRODUCTION,
            table(["page", "names"], rows),
            toctree(f"{API}/{home}" for home in pages),
        ]
    )
    return {f"{API}.md": contents, **{f"{API}/{home}.rst": text for home, text in pages.items()}}


def _is_constructor(name: str) -> bool:
    """Return whether a name is on the page of its message."""
    return name.startswith("new_")


def _public_names(package: str) -> list[str]:
    """Return the names that a package exports itself."""
    module = import_module(package)
    home = package.rpartition(".")[2]
    names = _NAMES.get(home) or getattr(module, "__all__", None)
    if names is None:
        names = dir(module) if home in _PACKAGES else []
    return sorted(name for name in names if name[0] != "_" and name != "v1")


def _page(package: str, title: str, paths: list[str]) -> str:
    """Return the page of some names."""
    parts = [f"{title}\n{'=' * len(title)}"]
    if package != "crucible_ir":
        parts.append(f".. automodule:: {package}")
    parts.append(f".. currentmodule:: {package}")
    parts += map(_entry, paths)
    return "\n\n".join(parts) + "\n"


def _entry(path: str) -> str:
    """Return the directive for the docstring of a name."""
    package, _, name = path.rpartition(".")
    value = getattr(import_module(package), name)
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        return f".. auto{kind}:: {path}\n   :members:"
    if callable(value):
        return f".. autofunction:: {path}"
    return f".. py:data:: {path}\n\n   {_comment(path)}"


def _comment(path: str) -> str:
    """Return the comment above the definition of a value, in one of the modules of its package."""
    package, _, name = path.rpartition(".")
    [folder] = import_module(package).__path__
    definition = re.compile(rf"((?:^ *#: .*\n)+) *{name}\b", re.MULTILINE)
    for source in sorted(Path(folder).rglob("*.py")):
        if found := definition.search(source.read_text(encoding="utf-8")):
            return " ".join(line.strip(" #:") for line in found[1].splitlines())
    raise LookupError(f"{path} has no comment that begins with `#:`")
