"""``crucible-ir schema``: list messages and their fields, export the schema, or compare two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import check_overwriting, write_output
from crucible_ir.cli.options import force_option, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

_PROTO = "proto"
_DESCRIPTOR_SET = "descriptor-set"
_JSON_SCHEMA = "json-schema"
_JSON_SCHEMA_FOR_YAML = "json-schema-for-yaml"
_EDITOR_SCHEMAS = "editor-schemas"

_EXAMPLES = (
    ("crucible-ir schema", "Every message."),
    ("crucible-ir schema TrainingConfig", "The fields of a message, with rules and defaults."),
    ("crucible-ir schema Optimizer", "The names of a vocabulary."),
    ("crucible-ir schema TrainingConfig --format json", "For programs."),
    (
        "crucible-ir schema Experiment --export json-schema > experiment.schema.json",
        "A JSON Schema, for editors and programs that check JSON.",
    ),
    (
        "crucible-ir schema Experiment --export json-schema-for-yaml -o Experiment.schema.json",
        "A JSON Schema for editors that complete and check YAML, with short names.",
    ),
    (
        "crucible-ir schema --export editor-schemas --output .crucible-ir",
        "A JSON Schema for every document, with settings that associate files with them.",
    ),
    ("crucible-ir schema --export proto --output proto", "The .proto files, to a folder."),
    (
        "crucible-ir schema --export descriptor-set --output ir.binpb",
        "A FileDescriptorSet, for buf, grpcurl and protoc --descriptor_set_in.",
    ),
    (
        "crucible-ir schema diff ir.binpb installed",
        "The changes between two versions of the schema; see `schema diff --help`.",
    ),
)

_DIFF = "diff"


class _SchemaCommand(Command):
    """A command that also runs ``schema diff``; no message or enum has that name."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of ``schema diff`` if the arguments begin with its name."""
        if args[:1] != [_DIFF]:
            return super().make_context(info_name, args, parent, **extra)
        from crucible_ir.cli.commands.schema.schema_diff import command as diff

        return diff.make_context(f"{info_name} {_DIFF}", args[1:], parent, **extra)


def _complete(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    from crucible_ir.cli.views.schema_description import described_types

    names = [_DIFF, *described_types()]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command(cls=_SchemaCommand, examples=_EXAMPLES)
@click.argument("name", required=False, shell_complete=_complete)
@click.option(
    "--export",
    type=click.Choice(
        [_PROTO, _DESCRIPTOR_SET, _JSON_SCHEMA, _JSON_SCHEMA_FOR_YAML, _EDITOR_SCHEMAS]
    ),
    help="Write the schema in this format instead of listing it.",
)
@click.option(
    "--output",
    "-o",
    metavar="OUT",
    help="Write to this file; several files, such as those of proto, require a folder.",
)
@force_option()
@format_option("Text, or one JSON object.")
@click.pass_obj
def command(
    session: Session,
    name: str | None,
    export: str | None,
    output: str | None,
    force: bool,
    output_format: str,
) -> int:
    """List messages, export the schema, or compare two versions of it.

    NAME is a message or an enum, which is shown with rules, defaults and comments. The exported
    .proto files import buf/validate/validate.proto, which is part of protovalidate.

    `crucible-ir schema diff` compares two versions of the schema.
    """
    if export is None:
        if output is not None or force:
            raise click.UsageError("--output and --force require --export")
        if output_format == "json":
            from crucible_ir.cli.views.schema_json import type_json, types_json

            print(types_json() if name is None else type_json(name))
            return GOOD
        from crucible_ir.cli.views.schema_description import describe, list_messages

        console = session.out()
        console.print_lines(list_messages() if name is None else describe(name, console.width))
    elif output_format == "json":
        raise click.UsageError("--format and --export exclude each other")
    elif export in (_JSON_SCHEMA, _JSON_SCHEMA_FOR_YAML):
        yaml = export == _JSON_SCHEMA_FOR_YAML
        _export_json_schema(name, output, yaml=yaml, force=force)
    elif name is not None:
        raise click.UsageError(f"--export {export} writes the whole schema: omit {name}")
    elif export == _PROTO:
        _export_protos(output, force=force)
    elif export == _EDITOR_SCHEMAS:
        _export_editor_schemas(output, force=force)
    else:
        from crucible_ir.schema.comments import descriptor_set

        write_output(output or STANDARD, descriptor_set(), force=force)
    return GOOD


def _export_protos(output: str | None, *, force: bool) -> None:
    from crucible_ir.schema.proto_files import proto_files

    if output is None:
        raise click.UsageError("--export proto writes several files: give a folder as --output")
    _write_all(Path(output), proto_files(), force=force)


def _export_editor_schemas(output: str | None, *, force: bool) -> None:
    from crucible_ir.cli.views.editor_schemas import editor_files

    if output is None:
        raise click.UsageError("--export editor-schemas writes several files: give a folder")
    _write_all(Path(output), editor_files(Path(output)), force=force)


def _export_json_schema(name: str | None, output: str | None, *, yaml: bool, force: bool) -> None:
    from crucible_ir.schema.types import message_type, message_types

    if name is not None:
        write_output(output or STANDARD, _json_schema(message_type(name), yaml), force=force)
        return
    if output is None:
        raise click.UsageError("give NAME, or a folder as --output for the schema of each message")
    schemas = {
        f"{each}.schema.json": _json_schema(cls, yaml) for each, cls in message_types().items()
    }
    _write_all(Path(output), schemas, force=force)


def _json_schema(type_: type[Message], yaml: bool) -> bytes:
    from crucible_ir.schema.json_schema import json_schema

    return (json.dumps(json_schema(type_, yaml=yaml), indent=2, ensure_ascii=False) + "\n").encode()


def _write_all(folder: Path, files: Mapping[str, bytes], *, force: bool) -> None:
    """Write files into a folder, or none of them if one exists and ``force`` is not set."""
    check_overwriting([str(folder / name) for name in files], force=force)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(str(path), content, force=force)
