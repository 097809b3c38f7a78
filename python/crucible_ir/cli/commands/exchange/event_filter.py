"""The options that select feedback events of an exchange."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.options import timestamp

if TYPE_CHECKING:
    from crucible_ir.exchange import EventFilter


def event_filter_options(command: Callable[..., Any]) -> Any:
    """Add the options, which the command receives as ``events``: a function of no arguments.

    The function imports the exchange, which a command does only once its other options are valid.
    """

    @wraps(command)
    def with_filter(
        *arguments: Any,
        deployment: str | None,
        feedback_types: tuple[str, ...],
        model_version: str | None,
        since: datetime | None,
        until: datetime | None,
        **options: Any,
    ) -> Any:
        def events() -> EventFilter:
            from crucible_ir.exchange import EventFilter

            return EventFilter(deployment, feedback_types, model_version, since, until)

        return command(*arguments, events=events, **options)

    decorated: Any = with_filter
    for option in (
        click.option(
            "--until", callback=timestamp, metavar="TIME", help="Only events before this time."
        ),
        click.option(
            "--since",
            callback=timestamp,
            metavar="TIME",
            help="Only events at or after this time.",
        ),
        click.option("--model-version", metavar="ID", help="Only events of this model version."),
        click.option(
            "--type",
            "feedback_types",
            multiple=True,
            metavar="NAME",
            help="Only this type of feedback; repeatable.",
        ),
        click.option("--deployment", metavar="ID", help="Only events of this deployment."),
    ):
        decorated = option(decorated)
    return decorated
