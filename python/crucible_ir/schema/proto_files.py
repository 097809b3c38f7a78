"""Find the `.proto` files: inside an installed package, or beside it in the repository."""

from __future__ import annotations

from pathlib import Path

from crucible_ir.errors import Error

_PACKAGE = Path(__file__).resolve().parents[1]


class MissingSchemaError(Error, LookupError):
    """The package came without its ``.proto`` files."""


def proto_folder() -> Path:
    """Return the folder to give to a protobuf compiler as an import path.

    A wheel holds it as ``crucible_ir/proto``. An editable install finds the repository's ``proto``.

    Raises:
        MissingSchemaError: Neither is there.
    """
    for folder in (_PACKAGE / "proto", _PACKAGE.parents[1] / "proto"):
        if (folder / "crucible_ir" / "v1").is_dir():
            return folder
    raise MissingSchemaError(f"the .proto files are missing beside {_PACKAGE}")


def proto_files() -> dict[str, bytes]:
    """Return the content of every ``.proto`` file by the name that others import it by."""
    root = proto_folder()
    files = sorted(root.rglob("*.proto"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
