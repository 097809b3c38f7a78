"""``crucible-ir explain``: explain a rule, a lint or another id of an error, with an example."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session
from crucible_ir.errors import printable

#: The environment variable with the address of a copy of the documentation site.
DOCS_VARIABLE = "CRUCIBLE_IR_DOCS"

_EXAMPLES = (
    ("crucible-ir explain double.gte_lte", "A rule, by the id in brackets after a violation."),
    ("crucible-ir explain ensemble.weights_sum", "A lint."),
    ("crucible-ir explain decode", "A document that cannot be read."),
    ("crucible-ir explain", "All ids."),
)


def _complete(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    from crucible_ir.linting import LINTS
    from crucible_ir.validation.explain import rule_ids
    from crucible_ir.validation.other_ids import OTHER_IDS

    ids = (*rule_ids(), *LINTS, *OTHER_IDS)
    return [CompletionItem(name) for name in ids if name.startswith(incomplete)]


def _place(page: str) -> str:
    """Return the address of a page; its name alone where the address of the site is not known."""
    site = os.environ.get(DOCS_VARIABLE, "").rstrip("/")
    return f"{site}/{page}" if site else page


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("rule", required=False, shell_complete=_complete)
@click.pass_obj
def command(session: Session, rule: str | None) -> int:
    """Explain a rule or a lint.

    RULE is the id in brackets after a violation, a lint finding or another error. The explanation
    says where a rule is declared, with an example that passes and one that fails, and names its
    section of the documentation: with a link if CRUCIBLE_IR_DOCS is the address of your copy.
    Without RULE, all ids are listed.
    """
    from crucible_ir.linting import LINTS
    from crucible_ir.validation.explain import explain, rule_ids
    from crucible_ir.validation.other_ids import OTHER_IDS

    console = session.out()
    if rule is not None:
        explanation = explain(rule)
        lines = [*str(explanation).split("\n"), "", f"Documentation: {_place(explanation.page)}"]
        console.print("\n".join(map(printable, lines)))
        return GOOD
    console.print("Rules", style="name")
    for known in rule_ids():
        console.print(f"  {known}")
    console.print("Lints", style="name")
    width = max(map(len, LINTS))
    for lint in LINTS.values():
        console.print(f"  {lint.id:{width}}  {lint.severity:7}  {lint.summary}")
    console.print("Other ids", style="name")
    width = max(map(len, OTHER_IDS))
    for name, other in OTHER_IDS.items():
        console.print(f"  {name:{width}}  {other.meaning}")
    return GOOD
