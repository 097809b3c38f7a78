"""The pages that people write: those of docs/ and others of the repository, with their links.

A page may be in another folder of the site than of the repository, so its links are written anew.
A link to a file becomes a download, and one to a folder or a page that is not on the site its path.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from pages import sections

#: Pages outside docs/: their names on the site by their paths in the repository.
OTHER_PAGES = {
    "proto/README.md": "specification",
    "ARCHITECTURE.md": "architecture",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "security",
    "CHANGELOG.md": "changelog",
    "native/core/README.md": "native-core",
    "packages/crate/README.md": "packages/crate",
    "packages/maven/README.md": "packages/maven",
    "packages/npm/README.md": "packages/npm",
}

#: The pages that sections of README.md make, with the titles of their sections.
README_PAGES = {
    "install": ("Install",),
    "tour": (
        "Tour",
        "Model registry",
        "Training",
        "Deployment",
        "Feedback",
        "From experiment to feedback",
        "Other tools",
    ),
    "languages": ("Other languages",),
}

#: The folder of the site for the files of the repository that pages link to.
DOWNLOADS = "files"

#: A block of code, a span of code, or a link or image.
_PARTS = re.compile(
    r"(?P<block>^```.*?^```$)|(?P<span>`[^`\n]+`)"
    r"|(?P<image>!?)\[(?P<text>(?:[^\[\]]|\n)*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL | re.MULTILINE,
)

#: The first line of a block: its language, and words that only our tests read.
_FENCE = re.compile(r"^```(\w+)[^\n]*")

#: Languages that the highlighter does not know, and those that it shows them as.
_LANGUAGES = {"textproto": "text"}

#: The styles of a drawing for a dark page.
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{(.*?\})\s*\}", re.DOTALL)


class BrokenLinkError(Exception):
    """A page of the repository names what does not exist."""


def written_pages(root: Path) -> dict[str, str | bytes]:
    """Return the pages that people write and their images, by their paths on the site.

    Args:
        root: The folder of the repository.
    """
    return _Pages(root).files()


class _Pages:
    def __init__(self, root: Path) -> None:
        self._root = root
        docs = root / "docs"
        self._names = {
            f"docs/{path.relative_to(docs).as_posix()}": (
                path.relative_to(docs).with_suffix("").as_posix()
            )
            for path in sorted(docs.rglob("*.md"))
        } | OTHER_PAGES
        #: The pages that have the sections of README.md, by the anchors of the sections.
        self._moved = {
            anchor: page
            for page, titles in README_PAGES.items()
            for title in titles
            for anchor in sections(f"# {title}")
        }
        self._downloads: dict[str, bytes] = {}

    def files(self) -> dict[str, str | bytes]:
        found: dict[str, str | bytes] = {}
        for source, name in self._names.items():
            found[f"{name}.md"] = self._page(self._text(source), source, name)
        readme = self._text("README.md")
        for name, titles in README_PAGES.items():
            text = "\n".join(_section(readme, title) for title in titles)
            # The heading of the first section is the title of the page.
            found[f"{name}.md"] = self._page(text.removeprefix("#"), "README.md", name)
        docs = self._root / "docs"
        for path in sorted(docs.rglob("*")):
            name = path.relative_to(docs).as_posix()
            if path.suffix == ".svg":
                found |= _drawings(name, path.read_text(encoding="utf-8"))
            elif path.suffix == ".png":
                found[name] = path.read_bytes()
        return found | self._downloads

    def _text(self, source: str) -> str:
        return (self._root / source).read_text(encoding="utf-8")

    def _page(self, text: str, source: str, name: str) -> str:
        """Return a page with its links as the site needs them.

        Args:
            text: The page in the repository.
            source: Its path there.
            name: Its name on the site.
        """

        def replaced(part: re.Match[str]) -> str:
            if part["block"] is not None:
                return _block(part["block"])
            if part["span"] is not None:
                return part["span"]
            target, _, section = part["target"].partition("#")
            label = _PARTS.sub(replaced, part["text"])
            if not target or re.match(r"[a-z]+:", target):
                return f"{part['image']}[{label}]({part['target']})"
            path = os.path.normpath(PurePosixPath(source).parent / target)
            return self._link(f"{part['image']}[{label}]", path, section, PurePosixPath(name))

        return _PARTS.sub(replaced, text)

    def _link(self, label: str, path: str, section: str, name: PurePosixPath) -> str:
        """Return a link to a file of the repository, or an image, on the page of a name."""
        anchor = f"#{section}" if section else ""
        if path == "README.md":
            page = self._moved[section] if section else "index"
            return f"{label}({_relative(page, name)}.md)"
        if path in self._names:
            return f"{label}({_relative(self._names[path], name)}.md{anchor})"
        found = self._root / path
        if not found.exists():
            raise BrokenLinkError(f"{name}: {path} does not exist")
        if path.startswith("docs/"):
            return _image(label, _relative(path.removeprefix("docs/"), name))
        if found.is_dir() or found.suffix == ".md":
            return f"{label[1:-1]} (`{path}`)"
        self._downloads[f"{DOWNLOADS}/{path}"] = found.read_bytes()
        return f"{label}({_relative(f'{DOWNLOADS}/{path}', name)})"


def _section(page: str, title: str) -> str:
    """Return a section of a page with its heading."""
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    if found is None:
        raise BrokenLinkError(f"README.md has no section {title!r}")
    return found[0]


def _block(block: str) -> str:
    fence = _FENCE.match(block)
    if fence is None:
        return block
    return f"```{_LANGUAGES.get(fence[1], fence[1])}{block[fence.end() :]}"


def _image(label: str, path: str) -> str:
    """Return an image; a drawing has one file for each theme, of which the site shows one."""
    if not path.endswith(".svg"):
        return f"{label}({path})"
    light, dark = (f"{path.removesuffix('.svg')}-{theme}.svg" for theme in ("light", "dark"))
    return f"{label}({light}){{.only-light}}\n{label}({dark}){{.only-dark}}"


def _drawings(name: str, drawing: str) -> dict[str, str | bytes]:
    """Return a drawing for each theme: the site's theme may differ from that of the system."""
    stem = name.removesuffix(".svg")
    return {
        f"{stem}-light.svg": _DARK.sub("", drawing),
        f"{stem}-dark.svg": _DARK.sub(r"\1", drawing),
    }


def _relative(path: str, name: PurePosixPath) -> str:
    return os.path.relpath(path, name.parent)
