"""Write the guards: Python functions that quickly recognize messages that break no rule.

It reads the rules from compiled descriptors, prints the rules that guards leave to protovalidate,
and writes one module.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from guard_generator.module import GuardWriter, reachable
from guard_generator.rules import RULES_FILE, Fallback, RuleReader
from schema_image import SchemaImage

PACKAGE = "crucible_ir.v1"
EXCHANGE_PACKAGE = "crucible_ir.exchange.v1"

MODULE = Path("crucible_ir/validation/guards.py")
REQUESTS_MODULE = Path("crucible_ir/exchange/request_guards.py")


@dataclass(frozen=True, slots=True)
class Guards:
    """A module of guards.

    Attributes:
        source: Its Python source.
        fallbacks: The rules that it leaves to protovalidate.
    """

    source: str
    fallbacks: list[Fallback]


def main() -> int:
    """Write the guards of a descriptor set, or of the installed package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--descriptors",
        type=Path,
        metavar="SET.binpb",
        help="the compiled schema (default: that of the installed package)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    arguments = parser.parse_args()
    if arguments.descriptors:
        files = list(FileDescriptorSet.FromString(arguments.descriptors.read_bytes()).file)
    else:
        files = installed_files()
    guards = write(files, PACKAGE)
    report(guards.fallbacks)
    if arguments.output:
        arguments.output.write_text(guards.source, encoding="utf-8")
    else:
        print(guards.source, end="")
    return 0


def generate(image: SchemaImage, python: Path) -> None:
    """Write the guards of the schema.

    Args:
        image: The compiled schema.
        python: The folder of the package `crucible_ir`, which need not exist.
    """
    files = list(image.full.file)
    for module, guards in (
        (MODULE, write(files, PACKAGE)),
        (REQUESTS_MODULE, write_requests(files)),
    ):
        report(guards.fallbacks)
        target = python / module
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(guards.source, encoding="utf-8")


def write_requests(files: list[FileDescriptorProto]) -> Guards:
    """Write the guards of the requests of the exchange.

    Args:
        files: As for `write`.
    """
    own = MODULE.with_suffix("").as_posix().replace("/", ".")
    guarded = {message.full_name: own for message in messages(files, PACKAGE)}
    writer = guard_writer(files, guarded)
    source = writer.module(EXCHANGE_PACKAGE, EXCHANGE_PACKAGE, requests(files, EXCHANGE_PACKAGE))
    return Guards(source, writer.fallbacks)


def write(files: list[FileDescriptorProto], package: str) -> Guards:
    """Write the guards of every message of a proto package.

    Args:
        files: The compiled schema, each file after those that it imports. If it does not include
            the schema of the rules, that of protovalidate is used.
        package: The proto package, which is also the Python package of the messages' classes.
    """
    writer = guard_writer(files, {})
    source = writer.module(package, package, messages(files, package))
    return Guards(source, writer.fallbacks)


def guard_writer(files: list[FileDescriptorProto], guarded: dict[str, str]) -> GuardWriter:
    """Return the writer of a schema's guards; the arguments are as in `write` and `GuardWriter`."""
    rules_file = next((file for file in files if file.name == RULES_FILE), None)
    return GuardWriter(RuleReader(rules_file or protovalidate_file()), guarded)


def messages(files: Iterable[FileDescriptorProto], package: str) -> Iterator[Descriptor]:
    """Yield the messages of a proto package by file and declaration, including nested ones."""
    pool = DescriptorPool()
    own = []
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
        if file.package == package:
            own.append(file)
    for file in sorted(own, key=lambda file: file.name):
        for message in file.message_type:
            yield from with_nested(pool.FindMessageTypeByName(f"{package}.{message.name}"))


def requests(files: list[FileDescriptorProto], package: str) -> list[Descriptor]:
    """Return the request messages of a proto package's methods and the messages inside them."""
    taken = {
        method.input_type.lstrip(".")
        for file in files
        if file.package == package
        for service in file.service
        for method in service.method
    }
    every = list(messages(files, package))
    nested = {
        each.full_name
        for message in every
        if message.full_name in taken
        for each in reachable(message)
    }
    return [message for message in every if message.full_name in taken | nested]


def with_nested(message: Descriptor) -> Iterator[Descriptor]:
    """Yield a message and those declared in it, without the entries of maps."""
    yield message
    for nested in message.nested_types:
        if not nested.GetOptions().map_entry:
            yield from with_nested(nested)


def protovalidate_file() -> FileDescriptorProto:
    """Return the compiled schema of the rules from the installed protovalidate."""
    import protovalidate

    compiled = protovalidate.ViolationPb.desc().file.proto.to_binary()
    return FileDescriptorProto.FromString(compiled)


def installed_files() -> list[FileDescriptorProto]:
    """Return the files of the installed package, each after those that it imports."""
    from crucible_ir import v1
    from crucible_ir.exchange import v1 as exchange_v1

    found: dict[str, FileDescriptorProto] = {}
    for package in (v1, exchange_v1):
        for name in package.__all__:
            collect(getattr(package, name).DESCRIPTOR.file, found)
    return list(found.values())


def collect(file: FileDescriptor, found: dict[str, FileDescriptorProto]) -> None:
    """Add a file, after those that it imports, to the files found so far."""
    for imported in file.dependencies:
        collect(imported, found)
    if file.name not in found:
        found[file.name] = FileDescriptorProto.FromString(file.serialized_pb)


def report(fallbacks: list[Fallback]) -> None:
    """Print the rules that the guards leave to protovalidate."""
    for fallback in fallbacks:
        print(f"guards: left to protovalidate: {fallback}", file=sys.stderr)
    if not fallbacks:
        print("guards: every rule is decided", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
