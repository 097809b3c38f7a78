"""The types of option values, and the options that several commands share."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from crucible_ir.bulk.table_formats import TABLE_EXTENSIONS
from crucible_ir.cli.checking.reports import REPORT_FORMATS
from crucible_ir.cli.files.inputs import ReadOptions
from crucible_ir.cli.program import LimitOption
from crucible_ir.errors import near_miss
from crucible_ir.serialization.formats import FORMATS, UnknownFormatError
from crucible_ir.serialization.limits import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_EMPTY_RECORDS,
    MAX_EXPANSION,
    MAX_FRAME_BYTES,
    MAX_SKIPPED_BYTES,
    Limits,
)
from crucible_ir.serialization.streams.formats import FORMAT_NAMES, STREAM_FORMATS, format_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from crucible_ir.schema.references import DocumentKey

    Decorator = Callable[[Any], Any]
    TextParameter = click.ParamType[str]
    DurationParameter = click.ParamType[timedelta]
    KeyParameter = click.ParamType[DocumentKey]
else:
    # Older releases of click have no type parameter here.
    TextParameter = DurationParameter = KeyParameter = click.ParamType

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class FiniteRange(click.FloatRange):
    """A number in a range, and neither NaN, which every range contains, nor infinite."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:  # noqa: D102  # as inherited
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a finite number, got {value!r}", param, ctx)
        return number


class _TypeName(TextParameter):
    """The name of a message type; the error for an unknown one names the nearest."""

    name = "type"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from crucible_ir.schema.types import UnknownTypeError, message_type

        try:
            message_type(value)
        except UnknownTypeError as error:
            self.fail(str(error), param, ctx)
        return str(value)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        from crucible_ir.schema.types import message_types

        return [CompletionItem(name) for name in message_types() if name.startswith(incomplete)]


class _DocumentKey(KeyParameter):
    """The type and the id of a document: ``TYPE/ID``."""

    name = "document"

    def convert(self, value: Any, param: Any, ctx: Any) -> DocumentKey:
        from crucible_ir.schema.references import DocumentKey

        if isinstance(value, DocumentKey):
            return value
        type_name, _, id_ = value.partition("/")
        if not type_name or not id_:
            self.fail(f'expected TYPE/ID such as ModelVersion/llama_3, got "{value}"', param, ctx)
        return DocumentKey(TYPE_NAME.convert(type_name, param, ctx), id_)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        # Only the types are known here: the id follows the slash.
        from crucible_ir.schema.references import identity_fields
        from crucible_ir.schema.types import document_members, message_type

        names = (
            f"{name}/"
            for name in document_members()
            if identity_fields(message_type(name).DESCRIPTOR)
        )
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class _FormatName(TextParameter):
    """The name of a format; the error for an unknown one names the nearest."""

    name = "format"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        try:
            return format_named(value).name
        except UnknownFormatError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        summaries = {format_.name: format_.summary for format_ in FORMATS.values()}
        summaries |= {format_.name: format_.summary for format_ in STREAM_FORMATS.values()}
        return [
            CompletionItem(name, help=summary)
            for name, summary in summaries.items()
            if name.startswith(incomplete)
        ]


def parse_duration(text: str) -> timedelta | None:
    """Parse a duration; return ``None`` if the text is not one.

    >>> parse_duration("90d").days, parse_duration("36h").days, parse_duration("1 day")
    (90, 1, None)
    """
    match = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


class _TableFormatName(_FormatName):
    """The name of a format of documents, streams or tables."""

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if value in TABLE_EXTENSIONS:
            return str(value)
        if guess := near_miss(value, TABLE_EXTENSIONS):
            self.fail(f'unknown format "{value}"{guess}', param, ctx)
        return super().convert(value, param, ctx)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        tables = [CompletionItem(name) for name in TABLE_EXTENSIONS if name.startswith(incomplete)]
        return [*super().shell_complete(ctx, param, incomplete), *tables]


class _Duration(DurationParameter):
    """A number of seconds, minutes, hours, days or weeks."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        duration = value if isinstance(value, timedelta) else parse_duration(value)
        if duration is None:
            units = ", ".join(_UNITS)
            self.fail(
                f'invalid duration "{value}": expected a number and a unit ({units}), such as 90d',
                param,
                ctx,
            )
        return duration


class _Release(TextParameter):
    """The number of a release of the specification."""

    name = "release"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from crucible_ir.schema.releases import ReleaseError, release_number

        try:
            release_number(value)
        except ReleaseError as error:
            self.fail(str(error), param, ctx)
        return str(value)


RELEASE = _Release()
TYPE_NAME = _TypeName()
DOCUMENT_KEY = _DocumentKey()
FORMAT_NAME = _FormatName()
TABLE_FORMAT_NAME = _TableFormatName()
DURATION = _Duration()


def type_option() -> Decorator:
    """Return ``--type``."""
    return click.option(
        "--type",
        "type_name",
        type=TYPE_NAME,
        metavar="TYPE",
        help="Message type, such as Experiment; by default detected from the fields.",
    )


def from_option() -> Decorator:
    """Return ``--from``."""
    return click.option(
        "--from",
        "from_format",
        type=FORMAT_NAME,
        metavar="FORMAT",
        help=f"Input format: {', '.join(FORMAT_NAMES)}; by default inferred from the extension.",
    )


def format_option(help_: str) -> Decorator:
    """Return ``--format`` of the commands that write text or JSON."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=help_,
    )


def release_option(help_: str) -> Decorator:
    """Return ``--for``."""
    return click.option("--for", "release", type=RELEASE, metavar="RELEASE", help=help_)


def force_option() -> Decorator:
    """Return ``--force``, which every command that writes files has."""
    return click.option("--force", is_flag=True, help="Replace files that exist.")


def _limit_option(name: str, default: int | None, most: int | None, help_: str) -> Decorator:
    return click.option(
        name,
        cls=LimitOption,
        type=click.IntRange(0 if name == "--max-depth" else 1, most),
        default=default,
        show_default=default is not None,
        metavar="N",
        help=help_,
    )


def limit_options() -> list[Decorator]:
    """Return the options for the limits on size and depth."""
    return [
        _limit_option(
            "--max-items",
            None,
            None,
            "Reject lists and maps with more items; by default unlimited.",
        ),
        _limit_option(
            "--max-string-bytes", None, None, "Reject longer strings; by default unlimited."
        ),
        _limit_option("--max-depth", MAX_DEPTH, MAX_DEPTH, "Reject more deeply nested messages."),
        _limit_option(
            "--max-skipped-bytes",
            MAX_SKIPPED_BYTES,
            None,
            "Stop at a record over its limit that goes on for more bytes.",
        ),
        _limit_option(
            "--max-empty-records",
            MAX_EMPTY_RECORDS,
            None,
            "Stop at longer runs of empty records or blank lines.",
        ),
        _limit_option(
            "--max-expansion",
            MAX_EXPANSION,
            None,
            "Stop where a compressed stream expands more times, after a free start.",
        ),
        _limit_option(
            "--max-frame-bytes",
            MAX_FRAME_BYTES,
            None,
            "Reject larger records of a stream.",
        ),
        _limit_option("--max-bytes", MAX_BYTES, None, "Reject larger documents."),
    ]


def add_read_options(command: Any) -> Any:
    """Add the options for reading, which the command receives as ``read_options``."""
    return type_option()(_with_read_options(command))


def read_options_for(type_name: str) -> Decorator:
    """Return the options for reading messages of a type, as `add_read_options` adds them."""
    return partial(_with_read_options, type_of_all=type_name)


def _with_read_options(command: Any, type_of_all: str | None = None) -> Any:
    @wraps(command)
    def with_read_options(
        *arguments: Any,
        from_format: str | None,
        type_name: str | None = type_of_all,
        **options: Any,
    ) -> Any:
        limits = Limits(**{each.name: options.pop(each.name) for each in fields(Limits)})
        return command(
            *arguments, read_options=ReadOptions(type_name, from_format, limits), **options
        )

    decorated: Any = with_read_options
    for option in (*limit_options(), from_option()):
        decorated = option(decorated)
    return decorated


def add_check_options(command: Any) -> Any:
    """Add the options of the commands that check many documents."""
    options = (
        click.option(
            "--quiet", "-q", is_flag=True, help="Print only documents with issues, and no summary."
        ),
        click.option(
            "--list-issues",
            type=click.IntRange(min=0),
            default=0,
            metavar="N",
            help="List the first N issues of a stream one by one; by default similar ones are"
            " grouped.",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(min=0),
            default=1,
            show_default=True,
            metavar="N",
            help="The number of processes; 0 uses one process for each CPU. With fewer files,"
            " `validate` uses threads of the native engine for streams.",
        ),
        click.option(
            "--format",
            "report_format",
            type=click.Choice(REPORT_FORMATS),
            default="text",
            show_default=True,
            help="Format of the report.",
        ),
    )
    for option in options:
        command = option(command)
    return add_read_options(command)


def timestamp(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> datetime | None:
    """Parse the timestamp of an option, in ISO 8601; without a time zone it is in UTC."""
    if value is None:
        return None
    try:
        timestamp = datetime.fromisoformat(value.upper())
    except ValueError:
        reason = f'expected a timestamp such as 2025-12-26T12:00:00Z, got "{value}"'
        raise click.BadParameter(reason, context, parameter) from None
    return timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=UTC)
