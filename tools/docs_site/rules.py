"""The index of the rules, the lints and the other ids of errors."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.linting import LINTS
from crucible_ir.schema.rules import rules_of
from crucible_ir.validation.explain import Explanation, explain, rule_ids
from crucible_ir.validation.other_ids import OTHER_IDS
from docs_site.markdown import MESSAGES, block, code, escaped, page, table
from docs_site.messages import field_link, lint_link

#: The name of the page, to which `crucible-ir explain` refers too.
RULES = "rules"

_INTRODUCTION = """\
Each error has the id of the rule that it is about, in brackets: `epochs: must be greater than 0
[int32.gt]`. This page lists the ids. `crucible-ir explain ID` prints the same, and the name of the
section here."""


def rule_pages() -> dict[str, str]:
    """Return the page by its path on the site."""
    return {f"{RULES}.md": page(_parts())}


def explained_pages() -> set[str]:
    """Return every section of the site that `crucible-ir explain` names."""
    known = (*rule_ids(), *LINTS, *OTHER_IDS, *_request_rules())
    return {explain(each).page for each in known}


def _parts() -> Iterator[str]:
    yield "# Rules"
    yield _INTRODUCTION
    yield "## Rules of messages"
    for rule_id in rule_ids():
        yield from _section(explain(rule_id))
    yield "## Lints"
    yield "A valid message may have these findings. [Lints](lints.md) has an example for each."
    rows = [
        [lint_link(lint.id, ""), lint.severity, escaped(lint.summary)] for lint in LINTS.values()
    ]
    yield table(["lint", "severity", "meaning"], rows)
    yield "## Other ids"
    yield "Errors that are no rule of a message have these ids."
    for other in OTHER_IDS:
        yield from _section(explain(other))
    yield "## Rules of requests"
    yield "Requests to an exchange have the rules of messages, and these."
    for rule_id in sorted(_request_rules() - {*rule_ids(), *OTHER_IDS}):
        yield from _section(explain(rule_id))


def _request_rules() -> set[str]:
    """Return the ids of the rules of the messages of the exchange's services."""
    messages = [getattr(exchange_v1, name) for name in exchange_v1.__all__]
    return {
        rule.rule_id
        for message in messages
        if hasattr(getattr(message, "DESCRIPTOR", None), "oneofs")
        for rule in rules_of(message.DESCRIPTOR)
    }


def _section(explanation: Explanation) -> Iterator[str]:
    yield f"### `{explanation.id}`"
    meaning = explanation.meaning
    yield f"{escaped(meaning[:1].upper() + meaning[1:]).rstrip('.')}."
    yield "\n".join(_declarations(explanation))
    if explanation.failing is not None and explanation.passing is not None:
        fails, passes = map(str, (explanation.failing, explanation.passing))
        yield block("text", f"Fails   {fails}\nPasses  {passes}")
    if explanation.notes:
        yield _notes(explanation.notes)


def _declarations(explanation: Explanation) -> Iterator[str]:
    """Yield an item of a list for each requirement, with the fields that have it."""
    places: dict[str, list[str]] = {}
    for place in explanation.declarations:
        requirement = escaped(place.description)
        expression = place.parameters.get("expression")
        if isinstance(expression, str):
            requirement += f" ({code(expression)})"
        message, _, field = place.path.partition(".")
        link = field_link(message, field, f"{MESSAGES}/")
        places.setdefault(requirement, []).append(link)
    for requirement, links in places.items():
        yield f"- {requirement}: {', '.join(links)}"


def _notes(notes: tuple[str, ...]) -> str:
    """Return notes as text, or as a block if they have examples in columns."""
    if any("  " in note for note in notes):
        return block("text", "\n".join(notes))
    return " ".join(map(escaped, notes))
