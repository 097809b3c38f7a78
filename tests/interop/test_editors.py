"""The language servers of editors, with the schemas and settings of the guide.

Visual Studio Code and Neovim run these servers: for YAML that of Red Hat, for JSON its own.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import lupa
import pytest
from interop.editors.language_server import LanguageServer, language_server
from interop.programs import ROOT
from interop.toolchains import NODE, require
from interop.typescript.project import run_npm
from pages import check_commands, files

from crucible_ir import v1
from kept_builds import kept_build

pytestmark = pytest.mark.toolchain

PROJECT = ROOT / "tests" / "interop" / "editors"
GUIDE = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
SECTION = GUIDE.partition("## Editors")[2].partition("\n## ")[0]

#: A line of each kind: valid, a rule broken, an unknown field, an unknown name.
YAML = """\
id: d
model_version_id: m
environment: production
replicas: -1
replica: 1

"""


@pytest.fixture(scope="module")
def servers() -> Path:
    """The folder of the programs of the language servers."""
    tools = [f"{name} {version}" for name, version in require(NODE).items()]
    manifests = [PROJECT / "package.json", PROJECT / "package-lock.json"]
    command = "npm ci --ignore-scripts --no-audit --no-fund"
    kept_build(PROJECT / "node_modules", manifests, lambda: run_npm(command, PROJECT), tools=tools)
    return PROJECT / "node_modules" / ".bin"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a user who follows the guide."""
    folder = tmp_path_factory.mktemp("project of ann")
    assert check_commands(SECTION, folder, {"crucible-ir"}) == 1
    return folder


@pytest.fixture(scope="module")
def vscode(project: Path) -> dict[str, Any]:
    """The settings of Visual Studio Code."""
    text = (project / ".crucible-ir" / "vscode-settings.json").read_text(encoding="utf-8")
    settings: dict[str, Any] = json.loads(text)
    return settings


@pytest.fixture(scope="module")
def neovim(project: Path) -> dict[str, Any]:
    """The settings that the guide's Lua gives to the servers in Neovim, by their names."""
    lua = lupa.LuaRuntime()
    configured: dict[str, Any] = {}
    enabled: list[str] = []

    def plain(value: Any) -> Any:
        if lupa.lua_type(value) != "table":
            return value
        entries = {key: plain(each) for key, each in value.items()}
        is_list = list(entries) == list(range(1, len(entries) + 1))
        return list(entries.values()) if is_list else entries

    vim = {
        "json": {"decode": lambda text: lua.table_from(json.loads(text), recursive=True)},
        "uri_from_fname": lambda name: Path(name).as_uri(),
        "fn": {"getcwd": lambda: str(project)},
        "lsp": {
            "config": lambda name, config: configured.__setitem__(name, plain(config)),
            "enable": lambda names: enabled.extend(plain(names)),
        },
    }
    lua.globals().vim = lua.table_from(vim, recursive=True)
    before = Path.cwd()
    os.chdir(project)
    try:
        lua.execute(files(SECTION)[".nvim.lua"])
    finally:
        os.chdir(before)
    assert enabled == list(configured) == ["yamlls", "jsonls"]
    return {
        f"{section}.{name}": value
        for config in configured.values()
        for section, values in config["settings"].items()
        for name, value in values.items()
    }


@pytest.fixture(scope="module")
def yaml_server(servers: Path, project: Path, vscode: dict[str, Any]) -> Iterator[LanguageServer]:
    command = [str(servers / "yaml-language-server"), "--stdio"]
    with language_server(command, project, vscode) as server:
        yield server


def test_yaml_is_checked_completed_and_explained(yaml_server: LanguageServer) -> None:
    name = "prod.deployment_config.ir.yaml"
    found = yaml_server.diagnostics(name, YAML)
    assert found == [
        "-1: Value is below the exclusive minimum of 0.",
        "replica: Property replica is not allowed.",
    ]
    assert {"strategy", "traffic"} <= yaml_server.completions(name, 5, 0)
    assert {"production", "staging"} <= yaml_server.completions(name, 2, 13)
    assert "The number of replicas" in yaml_server.hover(name, 3, 2)


def test_yaml_of_other_names_is_left_alone(yaml_server: LanguageServer) -> None:
    assert yaml_server.diagnostics("compose.yaml", "services: {}\n") == []


def test_what_new_writes_names_its_schema(yaml_server: LanguageServer, project: Path) -> None:
    commands = """
```console
$ crucible-ir new Experiment -o mine.yaml
$ crucible-ir schema Experiment --export json-schema-for-yaml -o Experiment.schema.json
```
"""
    assert check_commands(commands, project, {"crucible-ir"}) == 2
    text = (project / "mine.yaml").read_text(encoding="utf-8")
    assert yaml_server.diagnostics("mine.yaml", text) == []
    wrong = text.replace("\nid:", "\nidd:", 1)
    assert "idd: Property idd is not allowed." in yaml_server.diagnostics("wrong.yaml", wrong)


def test_json_is_checked_and_explained_with_the_settings_of_neovim(
    servers: Path, project: Path, neovim: dict[str, Any], vscode: dict[str, Any]
) -> None:
    assert neovim["yaml.schemas"] == vscode["yaml.schemas"]
    command = [str(servers / "vscode-json-language-server"), "--stdio"]
    with language_server(command, project, neovim) as server:
        name = "a.experiment.ir.json"
        text = '{"id": "e", "backend": {"id": "b"}, "pipeline": [{"name": ""}], "pipelines": []}'
        assert server.diagnostics(name, text) == [
            '"": String is shorter than the minimum length of 1.',
            '"pipelines": Property pipelines is not allowed.',
        ]
        assert "backend" in server.hover(name, 0, 14)
        assert server.diagnostics("package.json", '{"pipelines": []}') == []


def test_jetbrains_has_the_same_associations(project: Path, vscode: dict[str, Any]) -> None:
    found: dict[str, list[str]] = {}
    tree = ElementTree.parse(project / ".crucible-ir" / "jsonSchemas.xml")
    for info in tree.iter("SchemaInfo"):
        options = {each.get("name"): each.get("value") for each in info.findall("option")}
        patterns = [
            str(option.get("value"))
            for option in info.iter("option")
            if option.get("name") == "path"
        ]
        found[str(options["relativePathToSchema"])] = patterns
    assert found == {
        **{path[2:]: patterns for path, patterns in vscode["yaml.schemas"].items()},
        **{each["url"][2:]: each["fileMatch"] for each in vscode["json.schemas"]},
    }
    assert all((project / path).is_file() for path in found)


def test_every_type_of_a_document_has_files(vscode: dict[str, Any]) -> None:
    patterns = [each for found in vscode["yaml.schemas"].values() for each in found]
    for field in v1.Document.DESCRIPTOR.oneofs_by_name["content"].fields:
        name = f"x.{field.name}.ir.yaml"
        assert [each for each in patterns if fnmatch(name, each)] == [f"*{name[1:]}"]
