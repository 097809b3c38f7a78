"""Write the Go module of the schema, with the plugins of protoc that `tools/go` pins."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from generated_files import ROOT
from schema_image import SchemaImage

PLUGINS = ROOT / "tools" / "go"

#: The folder of the module. Its `go.mod` and `go.sum` are written by hand.
MODULE = Path("gen/go")
MODULE_PATH = "github.com/north-shore-ai/crucible-ir/gen/go"

#: The folder of generated files only.
GENERATED = MODULE / "crucible_ir"


def is_possible() -> bool:
    """Return whether Go is installed."""
    return shutil.which("go") is not None


def generate(image: SchemaImage, root: Path) -> None:
    """Write the messages of every proto package, and the clients and servers of its services.

    They come from the full schema, so that the code imports the Go package of `buf.validate`, which
    protovalidate imports too, rather than a copy of it.

    Args:
        image: The compiled schema.
        root: The folder that contains, or is to contain, the folder `gen`.
    """
    module = root / MODULE
    module.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        plugins = Path(folder)
        subprocess.run(["go", "build", "-o", f"{plugins}/", "tool"], cwd=PLUGINS, check=True)
        schema = plugins / "schema.binpb"
        schema.write_bytes(image.full.SerializeToString(deterministic=True))
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={schema}"]
        for plugin in ("go", "go-grpc"):
            command += [
                f"--plugin={plugins / f'protoc-gen-{plugin}'}",
                f"--{plugin}_out={module}",
                f"--{plugin}_opt=module={MODULE_PATH}",
            ]
        subprocess.run([*command, *(file.name for file in image.own_files)], check=True)
