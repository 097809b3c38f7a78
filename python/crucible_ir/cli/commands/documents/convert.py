"""``crucible-ir convert``: write a document in another form."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.files.inputs import (
    STANDARD,
    InputFile,
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.files.lossy_fields import lossy_fields
from crucible_ir.cli.files.outputs import write_output
from crucible_ir.cli.options import FORMAT_NAME, add_read_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError, EncodeError, Error, ValidationError
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.streams.formats import (
    FORMAT_NAMES,
    StreamFormat,
    format_named,
    format_of,
    stem_of,
)

if TYPE_CHECKING:
    from crucible_ir.serialization.formats import Format

_EXAMPLES = (
    ("crucible-ir convert examples/experiment.yaml experiment.binpb", "YAML to binary."),
    (
        "crucible-ir convert --to json examples/experiment.yaml",
        "To standard output; --to says the form.",
    ),
    (
        "crucible-ir convert --out-dir build --to crucible-json examples/feedback*",
        "Many documents, each to a file of its own.",
    ),
    (
        "crucible-ir convert --type Prompt --strict prompt.binpb prompt.json",
        "Fail rather than leave behind what JSON cannot hold.",
    ),
    (
        "crucible-ir convert --type FeedbackEvent events.binpbs.gz events.jsonl",
        "A stream of any length, record by record.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="IN [OUT]")
@click.option("--to", "to_format", type=FORMAT_NAME, metavar="FORM", help="Form of the output.")
@click.option("--output", "-o", metavar="OUT", help="Write here; `-` is standard output.")
@click.option(
    "--out-dir",
    metavar="FOLDER",
    help="Write each input here, under its own name and the ending of --to.",
)
@click.option(
    "--indent",
    type=click.IntRange(0, 8),
    default=2,
    show_default=True,
    metavar="N",
    help="Spaces a level in JSON; 0 writes one line.",
)
@click.option(
    "--strict", is_flag=True, help="Fail where the output would not hold all of the input."
)
@click.option(
    "--skip-bad",
    is_flag=True,
    help="Leave out the bad records of a stream rather than stop; the exit status is then 1.",
)
@click.option(
    "--no-validate", is_flag=True, help="Convert documents that break the schema's rules, too."
)
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    read_options: ReadOptions,
    to_format: str | None,
    output: str | None,
    out_dir: str | None,
    indent: int,
    strict: bool,
    skip_bad: bool,
    no_validate: bool,
) -> int:
    """Write a document in another form.

    The forms are told from the endings of IN and OUT, or given by --from and --to. OUT is replaced
    only once the output is complete and was read back. Where the output does not hold all of the
    input, such as the fields of a newer schema in JSON, a warning says so.

    A stream (.binpbs or .jsonl, and compressed with .gz or .zst) is converted record by record, in
    memory that does not grow with it. A document becomes a stream of one record, and a stream of
    one record a document.
    """
    converter = _Converter(
        session,
        read_options,
        indent or None,
        strict=strict,
        validate=not no_validate,
        skip_bad=skip_bad,
    )
    if out_dir is not None:
        return _convert_many(converter, documents, out_dir, to_format, output)
    if len(documents) > 2 or (len(documents) == 2 and output is not None):
        raise click.UsageError("one input and one output, or --out-dir for many inputs")
    target = output or (documents[1] if len(documents) == 2 else STANDARD)
    found = list(input_files(documents[:1], read_options))
    if len(found) != 1:
        raise click.UsageError(f"{documents[0]} stands for {len(found)} files: give --out-dir")
    format_ = _target_format(target, to_format)
    is_text = format_.record.is_text if isinstance(format_, StreamFormat) else format_.is_text
    if target == STANDARD and not is_text and sys.stdout.isatty():
        raise click.UsageError("binary would garble the terminal: give OUT, or redirect it")
    return converter.convert(found[0], target, format_)


def _convert_many(
    converter: _Converter,
    documents: tuple[str, ...],
    out_dir: str,
    to_format: str | None,
    output: str | None,
) -> int:
    if output is not None or to_format is None:
        raise click.UsageError("--out-dir goes with --to, and without --output")
    format_ = format_named(to_format)
    found = list(input_files(documents, converter.read_options))
    targets: dict[str, InputFile] = {}
    for source in found:
        target = str(
            Path(out_dir)
            / (stem_of("stdin" if source.name == STANDARD else source.name) + format_.extensions[0])
        )
        if target in targets:
            raise CannotRunError(
                f"{targets[target].name} and {source.name} would both become {target}"
            )
        targets[target] = source
    os.makedirs(out_dir, exist_ok=True)
    status = GOOD
    for target, source in with_progress(targets.items(), len(targets)):
        try:
            status = max(status, converter.convert(source, target, format_))
        except CannotRunError as error:
            converter.session.print_error(str(error))
            status = 2
    return status


def _target_format(target: str, to_format: str | None) -> Format | StreamFormat:
    if to_format is not None:
        return format_named(to_format)
    if target == STANDARD:
        raise click.UsageError(f"standard output has no ending: give --to {'|'.join(FORMAT_NAMES)}")
    try:
        return format_of(target)
    except UnknownFormatError as error:
        raise CannotRunError(f"{target}: {error}; give --to {'|'.join(FORMAT_NAMES)}") from None


class _Converter:
    """Converts one document after the other by the same options."""

    def __init__(
        self,
        session: Session,
        read_options: ReadOptions,
        indent: int | None,
        *,
        strict: bool,
        validate: bool,
        skip_bad: bool,
    ) -> None:
        self.session = session
        self.read_options = read_options
        self.indent = indent
        self.strict = strict
        self.validate = validate
        self.skip_bad = skip_bad

    def convert(self, source: InputFile, target: str, format_: Format | StreamFormat) -> int:
        """Convert one document or stream and return the exit status for it."""
        try:
            origin = any_format_for(source, self.read_options)
            if isinstance(origin, StreamFormat) or isinstance(format_, StreamFormat):
                return self._stream(source, origin, target, format_)
            content = self._converted(source, origin, target, format_)
        except ValidationError as error:
            for violation in error.violations:
                at = f":{violation.position}" if violation.position else ""
                self.session.print_error(f"{source.name}{at}: {violation}")
            return INVALID
        except (DecodeError, EncodeError) as error:
            self.session.print_document_error(source.name, error)
            return INVALID
        except CannotRunError as error:
            raise CannotRunError(f"{source.name}: {error}") from None
        if content is None:
            return INVALID
        write_output(target, content)
        return GOOD

    def _stream(
        self,
        source: InputFile,
        origin: Format | StreamFormat,
        target: str,
        format_: Format | StreamFormat,
    ) -> int:
        from crucible_ir.cli.files.stream_conversion import StreamConversion

        conversion = StreamConversion(
            self.session,
            self.read_options,
            indent=self.indent,
            strict=self.strict,
            validate=self.validate,
            skip_bad=self.skip_bad,
        )
        return conversion.run(source, origin, target, format_)

    def _converted(
        self, source: InputFile, origin: Format, target: str, format_: Format
    ) -> bytes | None:
        message = read_document(source, origin, self.read_options, validate=self.validate)
        written = format_.write(message, self.indent)
        try:
            lost = lossy_fields(message, written, format_)
        except Error as error:
            lost = [f"{format_.name} cannot be read back: {error}"]
        for loss in lost:
            self.session.print_error(f"{source.name}: {'' if self.strict else 'warning: '}{loss}")
        if lost and self.strict:
            self.session.print_error(
                f"{target}: not written, since {format_.name} does not hold all of it"
            )
            return None
        return written
