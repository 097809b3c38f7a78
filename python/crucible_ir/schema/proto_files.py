"""The `.proto` files, inside an installed package or beside it in the repository."""

from __future__ import annotations

from pathlib import Path

from crucible_ir.errors import Error

_PACKAGE = Path(__file__).resolve().parents[1]


class MissingSchemaError(Error, LookupError):
    """The ``.proto`` files are not installed."""


def proto_folder() -> Path:
    """Return the import path of the ``.proto`` files for a protobuf compiler.

    It is ``crucible_ir/proto`` of a wheel, or the repository's ``proto`` for an editable install.

    Raises:
        MissingSchemaError: Neither exists.
    """
    for folder in (_PACKAGE / "proto", _PACKAGE.parents[1] / "proto"):
        if (folder / "crucible_ir" / "v1").is_dir():
            return folder
    raise MissingSchemaError(f"the .proto files are missing beside {_PACKAGE}")


def proto_files() -> dict[str, bytes]:
    """Return the content of every ``.proto`` file by its import path."""
    root = proto_folder()
    files = sorted(root.rglob("*.proto"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
