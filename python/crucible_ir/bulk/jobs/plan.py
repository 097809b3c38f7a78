"""The plan of a job: its inputs and options, on which its result depends."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, cast

from crucible_ir.bulk.schemas import DIGEST_KEY, arrow_schema
from crucible_ir.bulk.table_formats import TABLE_EXTENSIONS
from crucible_ir.errors import Error
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.formats import (
    STREAM_FORMATS,
    StreamFormat,
    format_named,
    format_of,
    is_compressed,
)
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.bulk import StreamFormatName

#: The uncompressed bytes of input for each part: 64 MiB.
PART_BYTES: Final = 64 * 1024 * 1024
#: The most rows of a row group.
ROW_GROUP_ROWS: Final = 65_536


#: The errors for which there is no room.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class JobError(Error):
    """A job cannot run, such as when its folder has the result of another job."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options of a job on which its result depends.

    Attributes:
        type_name: The name of the message type.
        table_format: ``parquet`` or ``arrow``.
        raw: Whether there is a column ``raw`` with the bytes of each message.
        validate: Whether a record that breaks a rule of the schema is bad.
        part_bytes: The uncompressed bytes of input for each part.
        row_group_rows: The most rows of a row group.
        limits: The limits on records and compression.
    """

    type_name: str
    table_format: str = "parquet"
    raw: bool = False
    validate: bool = True
    part_bytes: int = PART_BYTES
    row_group_rows: int = ROW_GROUP_ROWS
    limits: Limits = field(default_factory=Limits)

    @property
    def type_(self) -> type[Message]:
        """The class of the messages."""
        return message_type(self.type_name)

    @property
    def extension(self) -> str:
        """The file extension of parts."""
        return TABLE_EXTENSIONS[self.table_format]


@dataclass(frozen=True, slots=True)
class JobInput:
    """An input of a job.

    Attributes:
        name: The name of the file.
        format_name: The name of its stream format.
        bytes: The size of the file.
        modified: The time of its last change, in nanoseconds.
    """

    name: str
    format_name: StreamFormatName
    bytes: int
    modified: int

    @property
    def format_(self) -> StreamFormat:
        """The format of the stream."""
        return STREAM_FORMATS[self.format_name]

    @property
    def is_compressed(self) -> bool:
        """Whether the file is compressed."""
        return is_compressed(self.name)


@dataclass(frozen=True, slots=True)
class Plan:
    """The inputs and options of a job.

    Attributes:
        options: The options.
        inputs: The inputs.
        code_version: The version of this package.
        schema_digest: The SHA-256 of the descriptors of the type.
    """

    options: JobOptions
    inputs: tuple[JobInput, ...]
    code_version: str
    schema_digest: str

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Plan:
        """Return the plan of JSON values.

        Raises:
            TypeError: The values are not those of a plan.
        """
        options = dict(values["options"])
        options["limits"] = Limits(**options["limits"])
        inputs = tuple(JobInput(**each) for each in values["inputs"])
        others = {name: values[name] for name in ("code_version", "schema_digest")}
        return cls(options=JobOptions(**options), inputs=inputs, **others)

    def differences(self, other: Plan) -> list[str]:
        """Return what is different in another plan, in words; the most important first.

        >>> from dataclasses import replace
        >>> plan = Plan(JobOptions("StageDef"), (), "1.0.0", "sha256:0")
        >>> plan.differences(replace(plan, options=JobOptions("StageDef", raw=True)))
        ['raw was False and is True']
        """
        found = []
        for each in fields(JobOptions):
            before, after = getattr(self.options, each.name), getattr(other.options, each.name)
            if before == after:
                continue
            if each.name == "limits":
                found += _changed(asdict(before), asdict(after))
            else:
                found += _changed({each.name: before}, {each.name: after})
        found += _changed({"code_version": self.code_version}, {"code_version": other.code_version})
        if self.schema_digest != other.schema_digest:
            found.append("the schema is another one")
        return found + _changed_inputs(self.inputs, other.inputs)

    def check_inputs(self) -> None:
        """Check that no input has changed since the plan was made.

        Raises:
            JobError: An input has changed, or cannot be read.
        """
        for each in self.inputs:
            now = _input(each.name, each.format_name)
            if now != each:
                raise JobError(f"{each.name}: changed while it was read: run again with --force")


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [
        f"{name.replace('_', ' ')} was {before[name]} and is {after[name]}"
        for name in before
        if before[name] != after[name]
    ]


def _changed_inputs(before: tuple[JobInput, ...], after: tuple[JobInput, ...]) -> list[str]:
    names = [each.name for each in before]
    if names != [each.name for each in after]:
        added = [each.name for each in after if each.name not in names]
        removed = set(names) - {each.name for each in after}
        if added:
            return [f"the input {added[0]} is new"]
        if removed:
            return [f"the input {min(removed)} is missing"]
        return ["the inputs have another order"]
    return [
        f"the input {old.name} has changed"
        for old, new in zip(before, after, strict=True)
        if old != new
    ]


def make_plan(names: Iterable[str], options: JobOptions, *, format_name: str | None = None) -> Plan:
    """Return the plan of a job.

    Args:
        names: The names of the input files.
        options: The options.
        format_name: The name of their stream format; ``None`` to infer it from each extension.

    Raises:
        JobError: A file cannot be read, or is not a stream.
        MissingExtraError: pyarrow is not installed.
    """
    metadata = arrow_schema(options.type_name, raw=options.raw).metadata
    inputs = tuple(_input(name, format_name) for name in names)
    return Plan(options, inputs, VERSION, metadata[DIGEST_KEY].decode())


def _input(name: str, format_name: str | None) -> JobInput:
    try:
        format_ = format_of(name) if format_name is None else format_named(format_name)
        status = os.stat(name)
    except UnknownFormatError as error:
        raise JobError(f"{name}: {error}") from None
    except OSError as error:
        raise JobError(f"{name}: cannot be read: {reason_of(error)}") from None
    if not isinstance(format_, StreamFormat):
        streams = ", ".join(STREAM_FORMATS)
        raise JobError(
            f"{name}: {format_.name} is a format of documents; expected a stream: {streams}"
        )
    if not stat.S_ISREG(status.st_mode):
        raise JobError(f"{name}: not a regular file, so its size is unknown: write it to a file")
    return JobInput(
        name, cast("StreamFormatName", format_.name), status.st_size, status.st_mtime_ns
    )


#: The error of a job that lacks memory.
MEMORY_IS_SHORT: Final = "memory is short: free some, or try fewer --jobs, and run it again"


def error_text(error: OSError) -> str:
    """Return the reason of an error of the operating system, with the name of the file."""
    name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    fix = "; make room, and run it again to continue" if error.errno in _FULL else ""
    return f"{name}{reason_of(error)}{fix}"


def reason_of(error: OSError) -> str:
    """Return the operating system's reason for an error."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]
