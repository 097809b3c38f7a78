"""``crucible-ir explain``: say what a rule or lint means, with an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crucible_ir.linting import LintDefinition

_EXAMPLES = (
    ("crucible-ir explain double.gte_lte", "A rule, by the id in brackets after a violation."),
    ("crucible-ir explain ensemble.weights_sum", "A lint."),
    ("crucible-ir explain", "Every rule and lint there is."),
)


def _complete(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    from crucible_ir.linting import LINTS
    from crucible_ir.validation.explain import rule_ids

    return [CompletionItem(name) for name in (*rule_ids(), *LINTS) if name.startswith(incomplete)]


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("rule", required=False, shell_complete=_complete)
@click.pass_obj
def command(session: Session, rule: str | None) -> int:
    """Say what a rule or lint means.

    RULE is the id in brackets after a violation or remark. The explanation says where the rule is
    declared and shows what fails it and what passes. Without RULE, all ids are listed.
    """
    from crucible_ir.linting import LINTS
    from crucible_ir.validation.explain import explain, rule_ids

    console = session.out()
    if rule is not None:
        lines = str(explain(rule)).split("\n")
        console.print("\n".join(map(printable, lines)), soft_wrap=True)
        return GOOD
    console.print("Rules", style="name")
    for known in rule_ids():
        console.print(f"  {known}", soft_wrap=True)
    console.print("Lints", style="name")
    _list_lints(session, LINTS)
    return GOOD


def _list_lints(session: Session, lints: Mapping[str, LintDefinition]) -> None:
    console = session.out()
    width = max(map(len, lints))
    for lint in lints.values():
        console.print(f"  {lint.id:{width}}  {lint.severity:7}  {lint.summary}", soft_wrap=True)
