"""JSON Schemas for editors, and the settings that say which files each of them describes.

A file is associated by its name: ``llama.experiment.ir.yaml`` is an Experiment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final, NamedTuple
from xml.sax.saxutils import quoteattr

from crucible_ir.schema.json_schema import json_schema
from crucible_ir.schema.types import message_type
from crucible_ir.v1 import Document

#: The folder of the schemas of a format, and the extensions of its files.
_FORMATS: Final = {"yaml": ("yaml", "yml"), "json": ("json",)}


class _Association(NamedTuple):
    """The schema of a message type in a format, and the names of the files that it describes."""

    name: str
    format_: str
    patterns: list[str]

    @property
    def path(self) -> str:
        """The path of the schema in the folder of all."""
        return f"{self.format_}/{self.name}.schema.json"


def editor_files(folder: PurePath) -> dict[str, bytes]:
    """Return the schemas and settings by their paths in a folder.

    Args:
        folder: The folder, from that of the project.

    >>> files = editor_files(PurePath(".crucible-ir"))
    >>> settings = json.loads(files["vscode-settings.json"])
    >>> settings["yaml.schemas"]["./.crucible-ir/yaml/Experiment.schema.json"]
    ['*.experiment.ir.yaml', '*.experiment.ir.yml']
    """
    associations = list(_associations())
    files = {
        each.path: _json(json_schema(message_type(each.name), yaml=each.format_ == "yaml"))
        for each in associations
    }
    files["vscode-settings.json"] = _json(_vscode(associations, folder))
    files["jsonSchemas.xml"] = _jetbrains(associations, folder).encode()
    return files


def _associations() -> Iterator[_Association]:
    """Yield those of every type that a document can have."""
    for field in Document.DESCRIPTOR.oneofs_by_name["content"].fields:
        assert field.message_type is not None, "a document contains messages"
        for format_, extensions in _FORMATS.items():
            patterns = [f"*.{field.name}.ir.{extension}" for extension in extensions]
            yield _Association(field.message_type.name, format_, patterns)


def _vscode(associations: list[_Association], folder: PurePath) -> dict[str, object]:
    """Return the settings of Visual Studio Code, whose language servers other editors use too."""
    paths = {each.path: _from_project(folder / each.path) for each in associations}
    return {
        "yaml.schemas": {
            paths[each.path]: each.patterns for each in associations if each.format_ == "yaml"
        },
        "json.schemas": [
            {"fileMatch": each.patterns, "url": paths[each.path]}
            for each in associations
            if each.format_ == "json"
        ],
    }


def _from_project(path: PurePath) -> str:
    return path.as_uri() if path.is_absolute() else f"./{path.as_posix()}"


def _jetbrains(associations: list[_Association], folder: PurePath) -> str:
    """Return the settings of the IDEs of JetBrains, which are for one project."""
    entries = "".join(
        _ENTRY.format(
            name=quoteattr(f"Crucible IR {each.name}, {each.format_.upper()}"),
            path=quoteattr((folder / each.path).as_posix()),
            items="".join(_ITEM.format(pattern=quoteattr(name)) for name in each.patterns),
        )
        for each in associations
    )
    return _PROJECT.format(entries=entries)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


_PROJECT: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<project version="4">
  <component name="JsonSchemaMappingsProjectConfiguration">
    <state>
      <map>
{entries}\
      </map>
    </state>
  </component>
</project>
"""

_ENTRY: Final = """\
        <entry key={name}>
          <value>
            <SchemaInfo>
              <option name="name" value={name} />
              <option name="relativePathToSchema" value={path} />
              <option name="patterns">
                <list>
{items}\
                </list>
              </option>
            </SchemaInfo>
          </value>
        </entry>
"""

_ITEM: Final = """\
                  <Item>
                    <option name="pattern" value="true" />
                    <option name="path" value={pattern} />
                    <option name="mappingKind" value="Pattern" />
                  </Item>
"""
