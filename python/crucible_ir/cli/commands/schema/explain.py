"""``crucible-ir explain``: explain a rule or a lint, with an example."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session
from crucible_ir.errors import printable

_EXAMPLES = (
    ("crucible-ir explain double.gte_lte", "A rule, by the id in brackets after a violation."),
    ("crucible-ir explain ensemble.weights_sum", "A lint."),
    ("crucible-ir explain", "The ids of all rules and lints."),
)


def _complete(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    from crucible_ir.linting import LINTS
    from crucible_ir.validation.explain import rule_ids

    return [CompletionItem(name) for name in (*rule_ids(), *LINTS) if name.startswith(incomplete)]


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("rule", required=False, shell_complete=_complete)
@click.pass_obj
def command(session: Session, rule: str | None) -> int:
    """Explain a rule or a lint.

    RULE is the id in brackets after a violation or a lint finding. The explanation says where the
    rule is declared, with an example that passes and one that fails. Without RULE, all ids are
    listed.
    """
    from crucible_ir.linting import LINTS
    from crucible_ir.validation.explain import explain, rule_ids

    console = session.out()
    if rule is not None:
        lines = str(explain(rule)).split("\n")
        console.print("\n".join(map(printable, lines)))
        return GOOD
    console.print("Rules", style="name")
    for known in rule_ids():
        console.print(f"  {known}")
    console.print("Lints", style="name")
    width = max(map(len, LINTS))
    for lint in LINTS.values():
        console.print(f"  {lint.id:{width}}  {lint.severity:7}  {lint.summary}")
    return GOOD
