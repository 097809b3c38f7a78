"""Compile the schema to descriptors, with and without the validation rules' own schema.

The published descriptors and the Python classes must not need `buf.validate`: no wheel ships that
module, and two packages that each ship one collide in protobuf's global pool. So its import is
removed from the compiled files. The rules themselves stay, as bytes in the options.
"""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

OWN_PREFIX = "crucible_ir/"
RULES_FILE = "buf/validate/validate.proto"

#: The number of `FileDescriptorProto.dependency`, which starts the path of an import's source info.
DEPENDENCY = FileDescriptorProto.DESCRIPTOR.fields_by_name["dependency"].number


@dataclass(frozen=True, slots=True)
class SchemaImage:
    """The compiled schema.

    Attributes:
        full: Every file as compiled, `buf/validate/validate.proto` and its imports included.
        published: The schema's own files, without that import, and the well-known types they use.
            The schema's own files keep their comments.
    """

    full: FileDescriptorSet
    published: FileDescriptorSet

    @property
    def own_files(self) -> list[FileDescriptorProto]:
        """The schema's own files, as published, in the order of their names."""
        own = (file for file in self.published.file if file.name.startswith(OWN_PREFIX))
        return sorted(own, key=lambda file: file.name)


def build(root: Path) -> SchemaImage:
    """Compile the protos of a repository with the `buf` beside the running interpreter."""
    buf = Path(sysconfig.get_path("scripts")) / "buf"
    command = [str(buf), "build", "proto", "--as-file-descriptor-set", "--output", "-#format=binpb"]
    compiled = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE).stdout
    full = FileDescriptorSet.FromString(compiled)
    return SchemaImage(full, publishable(full))


def publishable(full: FileDescriptorSet) -> FileDescriptorSet:
    """Copy the schema's own files and their imports, without the schema of the rules."""
    published = without_file(full, RULES_FILE)
    for file in published.file:
        if not file.name.startswith(OWN_PREFIX):
            file.ClearField("source_code_info")
    return published


def without_file(files: FileDescriptorSet, name: str) -> FileDescriptorSet:
    """Copy the schema's own files and their imports, without one file.

    The others must not refer to its declarations.
    """
    rest = [without_import(file, name) for file in files.file if file.name != name]
    needed = reachable(rest, (file.name for file in rest if file.name.startswith(OWN_PREFIX)))
    return FileDescriptorSet(file=(file for file in rest if file.name in needed))


def without_import(file: FileDescriptorProto, name: str) -> FileDescriptorProto:
    """Copy a file without one of its imports; the source info of the later ones moves up."""
    copy = FileDescriptorProto()
    copy.CopyFrom(file)
    if name not in file.dependency:
        return copy
    cut = list(file.dependency).index(name)
    del copy.dependency[cut]
    del copy.source_code_info.location[:]
    for location in file.source_code_info.location:
        is_import = len(location.path) == 2 and location.path[0] == DEPENDENCY
        if is_import and location.path[1] == cut:
            continue
        moved = copy.source_code_info.location.add()
        moved.CopyFrom(location)
        if is_import and location.path[1] > cut:
            moved.path[1] -= 1
    return copy


def reachable(files: Iterable[FileDescriptorProto], roots: Iterable[str]) -> set[str]:
    """Name the roots and every file that they import, directly or not."""
    imports = {file.name: list(file.dependency) for file in files}
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports[name]
    return found
