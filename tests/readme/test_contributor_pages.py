"""The pages for contributors name files, folders, links and make targets that exist."""

from __future__ import annotations

import re
import tomllib

import pytest
from pages import ROOT, check_links

PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")

#: The folders of the repository, and of the package, with which a path may begin.
ROOTS = (ROOT, ROOT / "python" / "crucible_ir")

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, flags=re.MULTILINE))

#: What `make clean` removes: it is only there once a target has made it.
REMOVED = set(MAKEFILE.partition("\nclean:")[2].partition("\n\n")[0].split())


@pytest.mark.parametrize("name", PAGES)
def test_every_path_that_is_named_exists(name: str) -> None:
    words = re.findall(r"`([\w./*-]+)`", (ROOT / name).read_text(encoding="utf-8"))
    paths = {word for word in words if word.partition("/")[0] not in REMOVED}
    paths = {word for word in paths if "/" in word or re.search(r"\.(md|py|toml|txt)$", word)}
    missing = [path for path in paths if not any(any(root.glob(path)) for root in ROOTS)]
    # A file of which there are several is named without its folder.
    missing = [path for path in missing if "/" in path or not any(ROOT.glob(f"tests/**/{path}"))]
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_has_a_target(name: str) -> None:
    check_links((ROOT / name).read_text(encoding="utf-8"), ROOT)


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", page, flags=re.MULTILINE)) <= TARGETS


def test_the_table_of_layers_is_the_contract_of_the_linter() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = page.partition("| layer, lowest first |")[2].partition("\n\n")[0].splitlines()[2:]
    described = [re.findall(r"`(\w+)(?:/|\.py)`", row.split("|")[1]) for row in rows]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [
        each for each in settings["tool"]["importlinter"]["contracts"] if each["id"] == "layers"
    ]
    layers = [sorted(re.findall(r"\w+", layer)) for layer in contract["layers"]]
    assert described == layers[::-1]
