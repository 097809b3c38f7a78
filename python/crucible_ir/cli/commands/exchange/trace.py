"""``crucible-ir trace``: trace a document's lineage upstream or downstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    record_json,
    server_options,
)
from crucible_ir.cli.options import TYPE_NAME, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, Session

if TYPE_CHECKING:
    from crucible_ir.cli.console import Console
    from crucible_ir.exchange import Lineage
    from crucible_ir.exchange.client.results import LineageEdge, LineageNode, Reference

_EXAMPLES = (
    ("crucible-ir trace FeedbackEvent evt_123", "From an event upstream to its model and dataset."),
    (
        "crucible-ir trace DatasetRef wikitext-103 --direction downstream",
        "Everything that depends on a dataset.",
    ),
)

_STYLES = {"missing": "bad", "ambiguous": "bad", "deleted": "warn", "embedded": "aside"}


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("type_name", type=TYPE_NAME, metavar="TYPE")
@click.argument("id_", metavar="ID")
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    metavar="N",
    help="The revision; by default the latest.",
)
@click.option(
    "--direction",
    type=click.Choice(["upstream", "downstream", "both"]),
    default="upstream",
    show_default=True,
    help="To what the document depends on, to what depends on it, or both.",
)
@click.option(
    "--max-depth",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Follow at most N references in a row.",
)
@format_option("A table (tab-separated in a pipe), or one JSON object.")
@server_options
@click.pass_obj
def command(
    session: Session,
    type_name: str,
    id_: str,
    revision: int | None,
    direction: str,
    max_depth: int | None,
    output_format: str,
    server: Server,
) -> int:
    """Trace a document's lineage upstream or downstream.

    Documents that the exchange does not have are listed as missing. A reference to a version that
    several documents have is listed as ambiguous, with these documents as candidates. The exit
    status is 1 if the exchange neither has the document nor a reference to it.
    """
    from crucible_ir.exchange import NotFoundError

    try:
        with server.connect() as client:
            lineage = client.trace(
                type_name, id_, revision=revision, direction=direction, max_depth=max_depth
            )
    except NotFoundError as error:
        session.print_error(str(error))
        return INVALID
    if output_format == "json":
        print(json_text(_json(lineage)))
    else:
        print_lineage(session.out(), lineage)
    return GOOD


def _json(lineage: Lineage) -> dict[str, object]:
    return {
        "nodes": [
            {
                "type": node.reference.type,
                "id": node.reference.id,
                "state": node.state,
                "depth": node.depth,
                "record": None if node.record is None else record_json(node.record),
                "candidates": [_reference_json(each) for each in node.candidates],
            }
            for node in lineage.nodes
        ],
        "edges": [
            {
                "source": _reference_json(edge.source),
                "target": _reference_json(edge.target),
                "field": edge.field,
            }
            for edge in lineage.edges
        ],
        "missing": [_reference_json(end) for end in lineage.missing],
        "truncated": lineage.truncated,
    }


def _reference_json(reference: Reference) -> dict[str, str]:
    return {"type": reference.type, "id": reference.id}


def print_lineage(console: Console, lineage: Lineage) -> None:
    """Print the documents of a lineage by their distance from the start."""
    from crucible_ir.cli.views.table import Column, Row, print_table

    columns = (
        Column("document", least=30),
        Column("state"),
        Column("revision", is_number=True, is_optional=True),
        Column("through", least=16, is_optional=True),
    )
    rows = []
    depths = {node.reference: node.depth for node in lineage.nodes}
    for node in lineage.nodes:
        reference = node.reference
        nearer = [edge for edge in lineage.edges if _connects_nearer(edge, node, depths)]
        links = [edge.field for edge in nearer if edge.target == reference] or [
            edge.field for edge in nearer
        ]
        values = [
            f"{'  ' * node.depth}{reference.type} {reference.id}",
            node.state,
            "" if node.record is None else str(node.record.revision),
            ", ".join(dict.fromkeys(links)),
        ]
        rows.append(Row(values, _STYLES.get(node.state, "")))
        indent = "  " * (node.depth + 1)
        rows += [
            Row([f"{indent}{each.type} {each.id}", "candidate", "", ""], "aside")
            for each in node.candidates
        ]
    print_table(console, columns, rows)
    if lineage.truncated:
        console.print(
            "The lineage continues beyond the limits on depth and number of documents.",
            style="warn",
        )


def _connects_nearer(edge: LineageEdge, node: LineageNode, depths: dict[Reference, int]) -> bool:
    """Return whether a reference connects a document with one that is nearer to the start."""
    if edge.target == node.reference:
        return depths.get(edge.source, node.depth) < node.depth
    return edge.source == node.reference and depths.get(edge.target, node.depth) < node.depth
