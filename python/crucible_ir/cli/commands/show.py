"""``crucible-ir show``: draw a document as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crucible_ir.cli.inputs import Reading, content_of, form_for, sources, type_for
from crucible_ir.cli.options import reading_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError

if TYPE_CHECKING:
    from rich.console import Console

    from crucible_ir.cli.inputs import Source

_EXAMPLES = (
    ("crucible-ir show examples/experiment.yaml", "What is set, and what would be by default."),
    ("crucible-ir show --no-defaults examples/*.json", "What is set and nothing else."),
    ("crucible-ir show --type Experiment --from binary - < experiment.binpb", "From a pipe."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE...")
@click.option("--no-defaults", is_flag=True, help="Leave out fields that are not set.")
@click.option("--full", is_flag=True, help="Draw long values, lists and maps to their end.")
@reading_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    type_name: str | None,
    from_form: str | None,
    max_bytes: int,
    no_defaults: bool,
    full: bool,
) -> int:
    """Draw a document as a tree.

    Fields stand in the order of the schema, those that are not set dimmed and with their default.
    Enum values and open vocabularies have their plain names. Where the document breaks a rule, the
    field says so; the exit status is then 1.
    """
    reading = Reading(type_name, from_form, max_bytes)
    status = GOOD
    console = session.out()
    for source in sources(documents, reading):
        try:
            status = max(
                status, _show(source, reading, console, with_defaults=not no_defaults, full=full)
            )
        except CannotRunError as error:
            session.fail(f"{source.name}: {error}")
            status = COULD_NOT_RUN
        except DecodeError as error:
            session.refuse(source.name, error)
            status = max(status, INVALID)
    return status


def _show(
    source: Source, reading: Reading, console: Console, *, with_defaults: bool, full: bool
) -> int:
    from crucible_ir.cli.tree import draw
    from crucible_ir.validation.check import violations

    content = content_of(source, reading)
    form = form_for(source, reading)
    message = form.read(content, type_for(content, form, reading), False)
    broken = violations(message)
    tree = draw(message, title=source.name, broken=broken, with_defaults=with_defaults, full=full)
    console.print(tree)
    return INVALID if broken else GOOD
