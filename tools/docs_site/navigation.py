"""The sections of the site and the order of their pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the navigation.

    Attributes:
        title: Its title.
        pages: Its pages in their order, each without its extension.
        folder: The folder whose pages come after them, in the order of their names, if any; the
            empty string is docs/ itself.
    """

    title: str
    pages: tuple[str, ...]
    folder: str | None = None


#: The sections. A page of docs/ that none of them names is a guide.
SECTIONS = (
    Section(
        "Start",
        (
            *("install", "tour", "tutorials/first-experiment", "tutorials/feedback-to-parquet"),
            *("tutorials/elixir-beside-python", "tutorials/mlflow", "comparison"),
        ),
        "tutorials",
    ),
    Section(
        "Guides",
        (
            *("python", "validation", "json", "command-line", "tools", "training-loops"),
            *("exchange", "operations", "security", "http", "console"),
            *("interchange", "bundles", "bulk", "cluster"),
        ),
        "",
    ),
    Section(
        "Languages",
        (
            *("languages", "python-betterproto", "go", "java", "packages/maven", "rust"),
            *("packages/crate", "native-core", "typescript", "packages/npm", "elixir", "cpp"),
            "conformance",
        ),
    ),
    Section(
        "Reference",
        (
            *("messages", "rules", "lints", "services", "api", "commands"),
            *("specification", "performance"),
        ),
    ),
    Section("Project", ("architecture", "contributing", "changelog")),
)

#: The titles of pages in the navigation whose own titles are names of packages.
TITLES = {
    "native-core": "Rust core",
    "packages/crate": "Rust crate",
    "packages/maven": "Maven artifact",
    "packages/npm": "npm package",
}

#: The start page.
START = "index"


def contents(pages: Iterable[str]) -> str:
    """Return the tables of contents of the start page, which make the navigation.

    >>> print(contents(["index", "tour", "tutorials/a", "python", "operations"]))
    ## Pages
    <BLANKLINE>
    ```{toctree}
    :caption: Start
    :maxdepth: 1
    <BLANKLINE>
    tour
    tutorials/a
    ```
    <BLANKLINE>
    ```{toctree}
    :caption: Guides
    :maxdepth: 1
    <BLANKLINE>
    python
    operations
    ```
    """
    left = sorted(set(pages) - {START} - {page for each in SECTIONS for page in each.pages})
    parts = ["## Pages"]
    for section in SECTIONS:
        listed = [page for page in section.pages if page in pages]
        listed += [page for page in left if page.rpartition("/")[0] == section.folder]
        if listed:
            names = "\n".join(
                f"{TITLES[page]} <{page}>" if page in TITLES else page for page in listed
            )
            parts.append(f"```{{toctree}}\n:caption: {section.title}\n:maxdepth: 1\n\n{names}\n```")
    return "\n\n".join(parts)
