"""``crucible-ir convert``: write a document in another format."""

from __future__ import annotations

import os
from pathlib import Path

import click

from crucible_ir.bulk.table_formats import TABLE_EXTENSIONS, table_format_of
from crucible_ir.cli.checking.bad_records import BadRecords
from crucible_ir.cli.files.inputs import (
    STANDARD,
    InputFile,
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.files.lossy_fields import lossy_fields
from crucible_ir.cli.files.older_readers import reject_newer
from crucible_ir.cli.files.outputs import (
    check_overwriting,
    check_terminal,
    output_format,
    write_output,
)
from crucible_ir.cli.files.stream_conversion import ConversionOptions, StreamConversion
from crucible_ir.cli.files.table_input import TableInput, table_files
from crucible_ir.cli.files.table_output import TableOptions, write_tables
from crucible_ir.cli.options import (
    TABLE_FORMAT_NAME,
    add_read_options,
    force_option,
    release_option,
)
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError, EncodeError, ValidationError
from crucible_ir.serialization.formats import (
    FORMATS,
    SHORT_NAMES_SINCE,
    YAML_WITH_PROTO_NAMES,
    Format,
)
from crucible_ir.serialization.streams.formats import (
    STREAM_FORMATS,
    StreamFormat,
    format_named,
    stem_of,
)

_FORMATS: dict[str, Format | StreamFormat] = {**FORMATS, **STREAM_FORMATS}

_EXAMPLES = (
    ("crucible-ir convert examples/experiment.yaml experiment.binpb", "YAML to binary."),
    (
        "crucible-ir convert --to json examples/experiment.yaml",
        "To standard output, in the format that --to names.",
    ),
    (
        "crucible-ir convert --out-dir build --to crucible-json examples/model*",
        "Several documents, each to its own file.",
    ),
    (
        "crucible-ir convert --type Prompt --strict prompt.binpb prompt.json",
        "Fail if JSON would lose fields.",
    ),
    (
        "crucible-ir convert --type FeedbackEvent events.binpbs.gz events.jsonl",
        "A stream of any length, record by record.",
    ),
    (
        "crucible-ir convert --to parquet --type FeedbackEvent events.jsonl tables",
        "Streams to a folder of Parquet files; run it again to continue after a stop.",
    ),
    (
        "crucible-ir convert --for 0.2.0 examples/experiment.yaml experiment.json",
        "For readers of an older release; fail if they would reject the output.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="IN... [OUT]")
@click.option(
    "--to",
    "to_format",
    type=TABLE_FORMAT_NAME,
    metavar="FORMAT",
    help="Format of the output; parquet and arrow are tables of the records of streams.",
)
@click.option("--output", "-o", metavar="OUT", help="Write to this file; `-` is standard output.")
@click.option(
    "--out-dir",
    metavar="FOLDER",
    help="Write each input to this folder, with its own name and the extension of --to.",
)
@click.option(
    "--indent",
    type=click.IntRange(0, 8),
    default=2,
    show_default=True,
    metavar="N",
    help="Spaces for each level of JSON; 0 writes one line.",
)
@click.option(
    "--names",
    type=click.Choice(["short", "proto"]),
    metavar="short|proto",
    help="Names of enum values and vocabularies in YAML: short as people write them, or proto for"
    " ProtoJSON in YAML.  [default: short]",
)
@release_option(
    "Fail if readers of this release, such as 0.2.0, reject the output; warn if binary contains"
    " fields that they do not know."
)
@click.option("--strict", is_flag=True, help="Fail if the output format would lose fields.")
@click.option(
    "--skip-bad",
    is_flag=True,
    help="Skip bad records of a stream instead of stopping; the exit status is then 1.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="The number of processes that write the parts of a table; 0 uses one for each CPU.",
)
@click.option("--raw", is_flag=True, help="Add the bytes of each message to a table, as `raw`.")
@click.option(
    "--part-bytes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Uncompressed bytes of input for each part of a table.  [default: 67108864]",
)
@click.option(
    "--row-group-rows",
    type=click.IntRange(min=1),
    metavar="N",
    help="The most rows of a row group of a table.  [default: 65536]",
)
@click.option(
    "--no-validate", is_flag=True, help="Also convert documents that break rules of the schema."
)
@force_option()
@click.option("--quiet", "-q", is_flag=True, help="Print errors only: no warnings and no summary.")
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
    names: str | None,
    release: str | None,
    strict: bool,
    skip_bad: bool,
    jobs: int,
    raw: bool,
    part_bytes: int | None,
    row_group_rows: int | None,
    no_validate: bool,
    force: bool,
    quiet: bool,
) -> int:
    """Convert documents, streams and tables to another format.

    The formats are inferred from the file extensions of IN and OUT, or given by --from and --to.
    A file that exists is replaced only with --force, and only when the output is complete and was
    read back. A warning names the fields
    that the output format loses, such as those of a newer schema in JSON.

    A stream (.binpbs or .jsonl, also compressed with .gz or .zst) is converted record by record, in
    constant memory. A document becomes a stream of one record, and a stream of one record becomes a
    document.

    With --to parquet or --to arrow, streams become a table: OUT is one file with that extension, or
    a folder of parts. A folder also has the violations of bad records, the bad records themselves,
    and a manifest that is written last. The same command continues a run that was stopped.
    """
    options = ConversionOptions(
        session,
        read_options,
        indent or None,
        release=release,
        strict=strict,
        validate=not no_validate,
        skip_bad=skip_bad,
        force=force,
        quiet=quiet,
    )
    target = output or documents[-1]
    table_format = table_format_of(target) if to_format is None else to_format
    if table_format in TABLE_EXTENSIONS:
        inputs = documents if output is not None else documents[:-1]
        if not inputs or out_dir is not None:
            raise click.UsageError("a table needs an input and an output, and no --out-dir")
        for option, value in (("--names", names), ("--for", release), ("--strict", strict)):
            if value:
                raise click.UsageError(f"{option} is not for tables")
        table = TableOptions(
            table_format, raw, part_bytes, row_group_rows, jobs or os.cpu_count() or 1
        )
        return write_tables(options, table, inputs, target)
    if raw or part_bytes or row_group_rows:
        raise click.UsageError("--raw, --part-bytes and --row-group-rows are for tables")
    if out_dir is not None:
        return _convert_many(options, documents, out_dir, to_format, names, output)
    if len(documents) > 2 or (len(documents) == 2 and output is not None):
        raise click.UsageError("give one input and one output, or --out-dir for several inputs")
    target = output or (documents[1] if len(documents) == 2 else STANDARD)
    if names_of_tables := table_files(documents[0]):
        if skip_bad:
            raise click.UsageError("--skip-bad is for streams: the rows of a table are valid")
        format_ = _with_names(output_format(target, to_format, _FORMATS), names, release)
        check_terminal(target, format_)
        check_overwriting([target], force=force)
        source = TableInput(documents[0], files=tuple(names_of_tables))
        return _convert(options, source, target, format_)
    found = list(input_files(documents[:1], read_options))
    if len(found) != 1:
        raise click.UsageError(f"{documents[0]} matches {len(found)} files: give --out-dir")
    format_ = _with_names(output_format(target, to_format, _FORMATS), names, release)
    check_terminal(target, format_)
    check_overwriting([target], force=force)
    return _convert(options, found[0], target, format_)


def _with_names(
    format_: Format | StreamFormat, names: str | None, release: str | None
) -> Format | StreamFormat:
    """Return an output format that writes the given names, or those that a release reads."""
    if format_.name != "yaml":
        if names is not None:
            raise click.UsageError(f"--names is for YAML, not for {format_.name}")
        return format_
    from crucible_ir.schema.releases import is_before

    if release is not None and is_before(release, SHORT_NAMES_SINCE):
        if names == "short":
            raise click.UsageError(f"{release} does not read short names in YAML: omit --names")
        names = "proto"
    return YAML_WITH_PROTO_NAMES if names == "proto" else format_


def _convert_many(
    options: ConversionOptions,
    documents: tuple[str, ...],
    out_dir: str,
    to_format: str | None,
    names: str | None,
    output: str | None,
) -> int:
    if output is not None or to_format is None:
        raise click.UsageError("--out-dir requires --to and excludes --output")
    format_ = _with_names(format_named(to_format), names, options.release)
    targets: dict[str, InputFile] = {}
    for source in input_files(documents, options.read_options):
        stem = stem_of("stdin" if source.name == STANDARD else source.name)
        target = str(Path(out_dir) / (stem + format_.extensions[0]))
        if target in targets:
            both = f"{targets[target].name} and {source.name}"
            raise CannotRunError(f"{both} would both be written to {target}")
        targets[target] = source
    check_overwriting(targets, force=options.force)
    os.makedirs(out_dir, exist_ok=True)
    status = GOOD
    total = 0 if options.quiet else len(targets)
    for target, source in with_progress(targets.items(), total):
        try:
            status = max(status, _convert(options, source, target, format_))
        except CannotRunError as error:
            options.session.print_error(str(error))
            status = COULD_NOT_RUN
    return status


def _convert(
    options: ConversionOptions,
    source: InputFile,
    target: str,
    target_format: Format | StreamFormat,
) -> int:
    """Convert one document or stream and return the exit status for it."""
    try:
        if isinstance(source, TableInput):
            return StreamConversion(options, BadRecords()).run(source, None, target, target_format)
        source_format = any_format_for(source, options.read_options)
        if isinstance(source_format, StreamFormat) or isinstance(target_format, StreamFormat):
            conversion = StreamConversion(options, BadRecords())
            return conversion.run(source, source_format, target, target_format)
        written = _encode(options, source, source_format, target, target_format)
    except ValidationError as error:
        for violation in error.violations:
            at = f":{violation.position}" if violation.position else ""
            options.session.print_error(f"{source.name}{at}: {violation}")
        return INVALID
    except (DecodeError, EncodeError) as error:
        options.session.print_document_error(source.name, error)
        return INVALID
    except CannotRunError as error:
        if isinstance(source, TableInput):
            # The error names the file of the folder.
            raise
        raise CannotRunError(f"{source.name}: {error}") from None
    if written is None:
        return INVALID
    write_output(target, written, force=options.force)
    return GOOD


def _encode(
    options: ConversionOptions,
    source: InputFile,
    source_format: Format,
    target: str,
    target_format: Format,
) -> bytes | None:
    """Return a document in another format; ``None`` if that loses fields and ``strict`` is set."""
    message = read_document(source, source_format, options.read_options, validate=options.validate)
    unseen = reject_newer(message, options.release, target_format)
    written = target_format.write(message, options.indent)
    lost = lossy_fields(message, written, target_format)
    for line in [*unseen, *lost] if options.strict or not options.quiet else ():
        warning = "" if options.strict else "warning: "
        options.session.print_error(f"{source.name}: {warning}{line}")
    if (unseen or lost) and options.strict:
        reason = f"{target_format.name} would lose fields" if lost else "--strict is given"
        options.session.print_error(f"{target}: not written, since {reason}")
        return None
    return written
