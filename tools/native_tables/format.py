"""The message classes of native/core/tables.proto."""

from __future__ import annotations

import subprocess
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from generated_files import ROOT

PROTO = ROOT / "native/core/tables.proto"

#: The version of the format that the tables are written in.
VERSION = 1


@cache
def message_classes() -> dict[str, Any]:
    """Return the classes of the messages by their names, such as ``Tables``."""
    protoc = Path(sysconfig.get_path("scripts")) / "protoc"
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "tables.binpb"
        subprocess.run(
            [
                protoc,
                f"--proto_path={PROTO.parent}",
                f"--descriptor_set_out={compiled}",
                PROTO.name,
            ],
            check=True,
        )
        (file,) = FileDescriptorSet.FromString(compiled.read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{file.package}.{message.name}")
        )
        for message in file.message_type
    }
