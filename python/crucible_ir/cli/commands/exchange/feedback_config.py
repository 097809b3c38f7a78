"""``crucible-ir feedback-config``: set how an exchange redacts and keeps feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import Server, json_text, server_options
from crucible_ir.cli.files.inputs import (
    InputFile,
    ReadOptions,
    format_for,
    read_document,
)
from crucible_ir.cli.options import format_option
from crucible_ir.cli.program import Command, CommandGroup
from crucible_ir.cli.session import GOOD, CannotRunError, Session
from crucible_ir.errors import DecodeError, ValidationError, printable

if TYPE_CHECKING:
    from crucible_ir.exchange import StoredFeedbackConfig
    from crucible_ir.v1 import FeedbackConfig

_EXAMPLES = (
    (
        "crucible-ir feedback-config set --retention-days 90",
        "Redact the feedback on all deployments, and keep it for ninety days.",
    ),
    (
        "crucible-ir feedback-config set --deployment staging --no-anonymize-pii",
        "Store the feedback on one deployment as it is.",
    ),
    ("crucible-ir feedback-config unset --deployment staging", "Remove that again."),
    ("crucible-ir feedback-config list", "All configurations."),
)

_deployment_option = click.option(
    "--deployment", metavar="ID", help="The deployment; by default all without one of their own."
)


@click.command(cls=CommandGroup, examples=_EXAMPLES)
def command() -> None:
    """Set how an exchange redacts feedback, and how long it keeps it.

    A FeedbackConfig is for one deployment, or for all that have none of their own. Where none is
    set, events are stored as they are, for ever.
    """


@command.command(cls=Command, name="set")
@click.argument("file", required=False, metavar="[FILE]")
@_deployment_option
@click.option(
    "--anonymize-pii/--no-anonymize-pii",
    default=None,
    help="Whether to redact events before they are stored; by default yes.",
)
@click.option(
    "--retention-days",
    type=click.IntRange(1, 2**31 - 1),
    metavar="N",
    help="Delete events after this many days; by default never.",
)
@server_options
@click.pass_obj
def set_(
    session: Session,
    file: str | None,
    deployment: str | None,
    anonymize_pii: bool | None,
    retention_days: int | None,
    server: Server,
) -> int:
    """Set the configuration of a deployment, or of all.

    FILE is a FeedbackConfig; the options replace what it says. The exchange uses its fields
    anonymize_pii and retention_days. It replaces an earlier configuration completely.
    """
    config = _config(file)
    if anonymize_pii is not None:
        config.anonymize_pii = anonymize_pii
    if retention_days is not None:
        config.retention_days = retention_days
    with server.connect() as client:
        client.set_feedback_config(config, deployment)
        policy = client.feedback_policy(deployment)
    if not server.quiet:
        days = policy.retention_days
        kept = "for ever" if days is None else f"for {days} day{'' if days == 1 else 's'}"
        stored = "redacted" if policy.redacts else "as they are"
        events = _name(deployment)
        session.out().print(f"{events}: events are stored {stored}, {kept}", style="good")
    return GOOD


@command.command(cls=Command, name="unset")
@_deployment_option
@server_options
@click.pass_obj
def unset(session: Session, deployment: str | None, server: Server) -> int:
    """Remove the configuration of a deployment, or of all."""
    with server.connect() as client:
        changed = client.set_feedback_config(None, deployment)
    if not server.quiet:
        text = "removed" if changed else "there was none"
        session.out().print(f"{_name(deployment)}: {text}", style="good")
    return GOOD


@command.command(cls=Command, name="list")
@format_option("Format of the list.")
@server_options
@click.pass_obj
def list_(session: Session, output_format: str, server: Server) -> int:
    """List the configurations that are set."""
    with server.connect() as client:
        stored = list(client.list_feedback_configs())
    if output_format == "json":
        configs = [_json(each) for each in stored]
        print(json_text({"command": "feedback-config list", "configs": configs}))
    else:
        from crucible_ir import to_dict

        for each in stored:
            text = json_text(to_dict(each.config, original_names=True), indent=None)
            print(f"{_name(each.deployment_id)}\t{text}")
    return GOOD


def _config(file: str | None) -> FeedbackConfig:
    from crucible_ir.v1 import FeedbackConfig

    if file is None:
        return FeedbackConfig()
    source, options = InputFile(file), ReadOptions(type_name="FeedbackConfig")
    try:
        message = read_document(source, format_for(source, options), options, validate=True)
    except (CannotRunError, DecodeError, ValidationError) as error:
        raise CannotRunError(f"{printable(file)}: {error}") from None
    assert isinstance(message, FeedbackConfig), "its type is given"
    return message


def _name(deployment: str | None) -> str:
    return "all deployments" if deployment is None else printable(deployment)


def _json(stored: StoredFeedbackConfig) -> dict[str, object]:
    from crucible_ir import to_dict

    return {
        "deployment_id": stored.deployment_id,
        "config": to_dict(stored.config),
        "update_time": stored.update_time.isoformat(),
    }
