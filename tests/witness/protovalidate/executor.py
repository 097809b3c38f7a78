"""An executor of protovalidate's conformance tests: `executor.py PROTOCOL.binpb`.

It validates as this package does: a guard, generated from the schema of the request, says which
messages are certainly valid, and protovalidate decides the others. A guard that is certain of an
invalid message therefore fails its case.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import protovalidate
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

import generate_guards

Guard = Callable[[Any], bool]


def messages_of(schema: FileDescriptorSet) -> DescriptorPool:
    """Return a pool with the files of a descriptor set."""
    pool = DescriptorPool()
    for file in schema.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def guards_of(files: list[FileDescriptorProto]) -> dict[str, Guard]:
    """Return the guard of each message by its full name, as generated from its rules."""
    guards: dict[str, Guard] = {}
    for package in sorted({file.package for file in files if file.message_type}):
        module: dict[str, Any] = {}
        exec(generate_guards.write(files, package).source, module)
        guards |= module["GUARDS"]
    return guards


class Executor:
    """Validates messages.

    Args:
        schema: The files with their types.
    """

    def __init__(self, schema: FileDescriptorSet) -> None:
        self._pool = messages_of(schema)
        self._guards = guards_of(list(schema.file))
        self._validator = protovalidate.Validator()

    def check(self, case: Any, result: Any) -> None:
        """Validate the message in an Any, and set the result."""
        name = case.type_url.rpartition("/")[2]
        message = GetMessageClass(self._pool.FindMessageTypeByName(name)).FromString(case.value)
        try:
            certain = self._is_certain(message)
            found = [] if certain else self._validator.collect_violations(message)
        except protovalidate.CompilationError as error:
            result.compilation_error = str(error)
        except protovalidate.EvaluationError as error:
            result.runtime_error = str(error)
        except Exception as error:
            result.unexpected_error = repr(error)
        else:
            result.success = not found
            for violation in found:
                data = violation.proto.to_binary()
                result.validation_error.violations.add().MergeFromString(data)

    def _is_certain(self, message: Any) -> bool:
        try:
            return self._guards[message.DESCRIPTOR.full_name](message)
        except Exception:
            return False


def main(protocol: Path) -> None:
    pool = messages_of(FileDescriptorSet.FromString(protocol.read_bytes()))
    harness = "buf.validate.conformance.harness.TestConformance"
    request: Any = GetMessageClass(pool.FindMessageTypeByName(f"{harness}Request"))()
    response: Any = GetMessageClass(pool.FindMessageTypeByName(f"{harness}Response"))()
    request.MergeFromString(sys.stdin.buffer.read())
    executor = Executor(FileDescriptorSet.FromString(request.fdset.SerializeToString()))
    for name in request.cases:
        executor.check(request.cases[name], response.results[name])
    sys.stdout.buffer.write(response.SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
