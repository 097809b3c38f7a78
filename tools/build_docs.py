"""Build the documentation site in build/docs, without a network. Warnings are errors.

The pages come from docs/, from other pages of the repository, and from the schema, the commands and
the docstrings of the package. They are collected in build/docs-source, which Sphinx reads.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from docs_site.commands import command_pages
from docs_site.messages import message_pages
from docs_site.navigation import START, contents
from docs_site.python_api import api_pages
from docs_site.rules import explained_pages, rule_pages
from docs_site.services import service_pages
from docs_site.site_check import problems
from docs_site.written_pages import written_pages

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "build" / "docs-source"
SITE = ROOT / "build" / "docs"


def main() -> int:
    """Collect the pages and build the site; return the exit status."""
    write(site_files(), SOURCE)
    sphinx = [sys.executable, "-m", "sphinx", "--builder=html", "--fail-on-warning", "--quiet"]
    options = ["--jobs=auto", f"--conf-dir={ROOT / 'docs'}"]
    status = subprocess.run([*sphinx, *options, SOURCE, SITE], check=False).returncode
    if status != 0:
        return status
    found = problems(SITE, explained_pages())
    for problem in found:
        print(problem)
    if found:
        return 1
    print(f"The site is in {SITE.relative_to(ROOT)}: open {SITE.relative_to(ROOT)}/index.html.")
    return 0


def site_files() -> dict[str, str | bytes]:
    """Return every file that Sphinx reads, by its path in the source of the site."""
    files = written_pages(ROOT)
    for pages in (message_pages, rule_pages, service_pages, command_pages, api_pages):
        files |= pages()
    names = [path.rpartition(".")[0] for path in files if path.endswith((".md", ".rst"))]
    start = f"{START}.md"
    return {**files, start: f"{files[start]!s}\n{contents(names)}\n"}


def write(files: Mapping[str, str | bytes], folder: Path) -> None:
    """Bring a folder up to date; Sphinx reads only the files that changed."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        fresh = content.encode() if isinstance(content, str) else content
        path = folder / name
        if not path.is_file() or path.read_bytes() != fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fresh)


if __name__ == "__main__":
    sys.exit(main())
