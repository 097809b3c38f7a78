"""The options that several commands share, each written once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.inputs import MAX_BYTES
from crucible_ir.cli.reports import FORMATS
from crucible_ir.serialization.forms import FORMS, UnknownFormError, form_named

if TYPE_CHECKING:
    from collections.abc import Callable

    Decorator = Callable[[Any], Any]
    TextParameter = click.ParamType[str]
else:
    # Older releases of click have no type parameter here.
    TextParameter = click.ParamType


class _TypeName(TextParameter):
    """The name of a message type, with the near miss where it is wrong."""

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


class _FormName(TextParameter):
    """The name of a form, with the near miss where it is wrong."""

    name = "form"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        try:
            return form_named(value).name
        except UnknownFormError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        return [
            CompletionItem(form.name, help=form.summary)
            for form in FORMS.values()
            if form.name.startswith(incomplete)
        ]


TYPE_NAME = _TypeName()
FORM_NAME = _FormName()


def type_option() -> Decorator:
    """Return ``--type``."""
    return click.option(
        "--type",
        "type_name",
        type=TYPE_NAME,
        metavar="TYPE",
        help="Message type, such as Experiment; by default told from the document's fields.",
    )


def from_option() -> Decorator:
    """Return ``--from``."""
    return click.option(
        "--from",
        "from_form",
        type=FORM_NAME,
        metavar="FORM",
        help=f"Form of the input: {', '.join(FORMS)}; by default told from the file's ending.",
    )


def max_bytes_option() -> Decorator:
    """Return ``--max-bytes``."""
    return click.option(
        "--max-bytes",
        type=click.IntRange(min=1),
        default=MAX_BYTES,
        show_default=True,
        metavar="N",
        help="Refuse documents that are larger.",
    )


def reading_options(command: Any) -> Any:
    """Add the options that say how documents are to be read."""
    for option in (max_bytes_option(), from_option(), type_option()):
        command = option(command)
    return command


def checking_options(command: Any) -> Any:
    """Add the options of the commands that check many documents."""
    options = (
        click.option(
            "--quiet", "-q", is_flag=True, help="Print only what is wrong, and no summary."
        ),
        click.option(
            "--jobs",
            type=click.IntRange(min=0),
            default=1,
            show_default=True,
            metavar="N",
            help="Processes that share the work; 0 for one a CPU.",
        ),
        click.option(
            "--format",
            "report_format",
            type=click.Choice(FORMATS),
            default="text",
            show_default=True,
            help="Format of the report: for people, or for a machine.",
        ),
    )
    for option in options:
        command = option(command)
    return reading_options(command)
