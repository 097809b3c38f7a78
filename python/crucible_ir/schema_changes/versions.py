"""A version of the schema: its descriptors and its lints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.message import DecodeError

from crucible_ir.errors import Error, shorten
from crucible_ir.paths import format_path
from crucible_ir.validation.check import path_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: The prefix of the schema's own packages.
_OWN: Final = "crucible_ir."


class SchemaError(Error):
    """A version of the schema is missing, invalid or unreadable."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared message, enum, service or extension.

    Attributes:
        file: The file that declares it.
        scope: The full name of the package or message that contains it.
        proto: The declaration.
    """

    file: FileDescriptorProto
    scope: str
    proto: Any

    @property
    def full_name(self) -> str:
        """Its full name."""
        return f"{self.scope}.{self.proto.name}"

    @property
    def package(self) -> str:
        """The proto package that it belongs to."""
        return self.file.package


@dataclass(frozen=True, slots=True)
class ReleasedLint:
    """One lint of a release.

    Attributes:
        id: The lint's id.
        severity: The severity of its findings.
        summary: A one-sentence description.
        type: The full name of the message type of the example.
        path: The path of its finding on the example.
        example: The bad example, as ProtoJSON with the original field names.
    """

    id: str
    severity: str
    summary: str
    type: str
    path: str
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RewrittenRule:
    """A rule of a release that a later release rewrote so that it accepts more.

    Attributes:
        place: The full name of the message or field that declares the rule.
        rule_id: The rule's id.
        expression: The new CEL expression.
        release: The release that rewrote the rule.
    """

    place: str
    rule_id: str
    expression: str
    release: str


@dataclass(frozen=True)
class SchemaVersion:
    """One version of the schema.

    Attributes:
        name: The name for reports.
        files: Its descriptors, and those of all imports.
        lints: Its lints by id; ``None`` if unknown.
        rewritten_rules: Its rules that later releases rewrote.
    """

    name: str
    files: FileDescriptorSet = field(repr=False)
    lints: Mapping[str, ReleasedLint] | None = field(default=None, repr=False)
    rewritten_rules: tuple[RewrittenRule, ...] = field(default=(), repr=False)

    @classmethod
    def parse(
        cls, name: str, content: bytes, lints: Mapping[str, ReleasedLint] | None = None
    ) -> SchemaVersion:
        """Read a serialized ``FileDescriptorSet``.

        Raises:
            SchemaError: The content is not one, lacks an import, or has no package of Crucible IR.
        """
        try:
            files = FileDescriptorSet.FromString(content)
        except DecodeError:
            raise SchemaError(f"{name}: is not a binary FileDescriptorSet") from None
        if not all(isinstance(text, str) for file in files.file for text in _texts(file)):
            # The descriptors are proto2, where strings need not be UTF-8.
            raise SchemaError(f"{name}: a file's name, package or import is not UTF-8")
        version = cls(name, files, lints)
        if not any(version.own_files()):
            raise SchemaError(f"{name}: contains no file of a package {_OWN}*")
        for declared in version.messages.values():
            if not all(isinstance(field.json_name, str) for field in declared.proto.field):
                raise SchemaError(f"{name}: a JSON name in {declared.full_name} is not UTF-8")
            for entry in declared.proto.nested_type:
                # protobuf does not reject this.
                names = [field.name for field in entry.field]
                if entry.options.map_entry and names != ["key", "value"]:
                    raise SchemaError(
                        f"{name}: {declared.full_name} has a map without a key or value"
                    )
        version.pool  # noqa: B018  # Raises now if the files cannot be linked.
        return version

    def own_files(self) -> Iterator[FileDescriptorProto]:
        """Yield the files of the schema's own packages."""
        return (file for file in self.files.file if file.package.startswith(_OWN))

    @cached_property
    def packages(self) -> set[str]:
        """The names of the schema's own packages."""
        return {file.package for file in self.own_files()}

    @cached_property
    def messages(self) -> dict[str, Declared]:
        """Every message of the schema by its full name, except the entries of maps."""
        return {
            each.full_name: each
            for file in self.own_files()
            for message in file.message_type
            for each in _with_nested(file, file.package, message)
        }

    @cached_property
    def enums(self) -> dict[str, Declared]:
        """Every enum of the schema by its full name."""
        return self._in_files_and_messages("enum_type")

    @cached_property
    def extensions(self) -> dict[str, Declared]:
        """Every extension of the schema by its full name."""
        return self._in_files_and_messages("extension")

    @cached_property
    def services(self) -> dict[str, Declared]:
        """Every service of the schema by its full name."""
        return self._in_files_and_messages("service")

    def _in_files_and_messages(self, attribute: str) -> dict[str, Declared]:
        top = [
            Declared(file, file.package, each)
            for file in self.own_files()
            for each in getattr(file, attribute)
        ]
        nested = [
            Declared(message.file, message.full_name, each)
            for message in self.messages.values()
            for each in getattr(message.proto, attribute, ())
        ]
        return {each.full_name: each for each in (*top, *nested)}

    @cached_property
    def pool(self) -> descriptor_pool.DescriptorPool:
        """The descriptors, linked.

        Raises:
            SchemaError: An import is missing, or the files are inconsistent.
        """
        pool = descriptor_pool.DescriptorPool()
        waiting = {file.name: file for file in self.files.file}
        while waiting:
            ready = [file for file in waiting.values() if not waiting.keys() & set(file.dependency)]
            if not ready:
                raise SchemaError(f"{self.name}: its files have an import cycle")
            for file in ready:
                self._add(pool, waiting.pop(file.name))
        return pool

    def _add(self, pool: descriptor_pool.DescriptorPool, file: FileDescriptorProto) -> None:
        present = {other.name for other in self.files.file}
        missing = [name for name in file.dependency if name not in present]
        if missing:
            raise SchemaError(
                f"{self.name}: {shorten(file.name)} imports {shorten(missing[0])}, which is"
                " missing; create the descriptor set with `buf build` or `protoc --include_imports`"
            )
        try:
            pool.Add(file)
        except (TypeError, ValueError) as error:
            reason = shorten(str(error).strip())
            raise SchemaError(f"{self.name}: {shorten(file.name)} is invalid: {reason}") from None

    @cached_property
    def _validator(self) -> Any:
        # A separate one, because validators cache compiled rules by the full names of messages,
        # which two versions share. Imported here because importing it is slow.
        import protovalidate

        return protovalidate.Validator()

    def broken_rules(self, message: Message) -> list[tuple[str, str]]:
        """Return the path and id of each rule of this version that a message breaks.

        Args:
            message: A message of a class of this version.

        Raises:
            SchemaError: protovalidate cannot evaluate a rule.
        """
        try:
            found = self._validator.collect_violations(message)
        except Exception as error:
            name = message.DESCRIPTOR.full_name
            raise SchemaError(f"{self.name}: {name} could not be validated: {error}") from error
        protos = (violation.proto for violation in found)
        return [(format_path(path_of(proto)), proto.rule_id) for proto in protos]

    def message(self, full_name: str) -> Descriptor:
        """Return a message's descriptor by its full name."""
        found: Descriptor = self.pool.FindMessageTypeByName(full_name)
        return found

    def message_class(self, full_name: str) -> type[Message]:
        """Return a message's class, of this version, by its full name."""
        made: type[Message] = message_factory.GetMessageClass(self.message(full_name))
        return made


def _texts(file: FileDescriptorProto) -> tuple[object, ...]:
    return file.name, file.package, *file.dependency


def _with_nested(
    file: FileDescriptorProto, scope: str, message: DescriptorProto
) -> Iterator[Declared]:
    if message.options.map_entry:
        return
    declared = Declared(file, scope, message)
    yield declared
    for nested in message.nested_type:
        yield from _with_nested(file, declared.full_name, nested)


def pairs(old: Iterable[Any], new: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Pair fields or enum values by name, or by number if the name is in one version only.

    This distinguishes a renamed or renumbered field from a removed one.

    Args:
        old: Their descriptors in the old version.
        new: Their descriptors in the new version.

    Yields:
        Both descriptors, or one and ``None``; in the order of the old version, then new ones.
    """
    before, after = list(old), list(new)
    by_name = {each.name: each for each in after}
    names = {each.name for each in before}
    by_number = {each.number: each for each in after if each.name not in names}
    paired: set[str] = set()
    for each in before:
        other = by_name.get(each.name) or by_number.pop(each.number, None)
        if other is not None:
            paired.add(other.name)
        yield each, other
    for each in after:
        if each.name not in paired:
            yield None, each
