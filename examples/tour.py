"""A tour of the documents in this folder: judged, drawn, converted, and handed to an exchange.

`make run` runs it. The exit status is 0 only if everything is as it is meant to be.
"""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.message import Message
from journey import Detour, make_journey
from rich.console import Console
from rich.table import Table
from rich.text import Text

import crucible_ir as ir
from crucible_ir.cli.console import make_console
from crucible_ir.cli.views.tree import draw
from crucible_ir.serialization.formats import EXTENSIONS, FORMATS, format_of
from crucible_ir.serialization.type_detection import detect_type

EXAMPLES = Path(__file__).resolve().parent

#: The document that is drawn.
DRAWN = "prompt.yaml"

#: The document that is wrong on purpose, and the rules that it breaks.
BROKEN = "broken_experiment.yaml"
BROKEN_RULES = {
    ("pipeline[1].name", "required"),
    ("reliability.hedging.percentile", "double.gte_lte"),
    ("model_version.version", "string.pattern"),
    ("training_config.dataset_ref", "required"),
    ("training_config.epochs", "int32.gt"),
    ("training_config.validation_split", "double.gte_lte"),
}

#: The journey of every document: each form is read back before the next is written.
JOURNEY = ("crucible-json", "binary", "json", "yaml", "text", "binary")


def main() -> int:
    """Make the tour and return the exit status."""
    console = make_console(sys.stdout, color="auto")
    documents = read_all(console)
    console.print(f"\n{DRAWN}, drawn:\n")
    console.print(draw(documents[DRAWN], with_defaults=False))
    if not carry_all(console, documents):
        return 1
    try:
        make_journey(console, documents)
    except (Detour, ir.Error) as error:
        sys.exit(f"the exchange: {error}")
    console.print("\nThe journey ended where it should.")
    return 0


def read_all(console: Console) -> dict[str, Message]:
    """Read every document, print the verdicts and return those that are valid."""
    names = sorted(
        path.name for path in EXAMPLES.iterdir() if path.name.endswith(tuple(EXTENSIONS))
    )
    console.print(f"Crucible IR {ir.__version__}: {len(names)} documents, read and validated\n")
    valid: dict[str, Message] = {}
    for name in names:
        try:
            valid[name] = read(name)
        except ir.ValidationError as error:
            print_violations(console, name, error)
            if name != BROKEN or broken_rules(error) != BROKEN_RULES:
                sys.exit(f"{name}: these are not the violations that it should have")
        except ir.Error as error:
            sys.exit(f"{name}: {error}")
        else:
            line = f"{name:28} {valid[name].DESCRIPTOR.name}"
            console.print(Text.assemble(("  ✓ ", "good"), line))
    if BROKEN in valid:
        sys.exit(f"{BROKEN}: valid, though it should not be")
    return valid


def read(name: str) -> Message:
    """Read and validate a document; its form is told from its name, its type from its fields."""
    data, form = (EXAMPLES / name).read_bytes(), format_of(name)
    document = form.parse(data)
    return document.read(detect_type(document, form), validate=True)


def print_violations(console: Console, name: str, error: ir.ValidationError) -> None:
    """Print what is wrong with a document, a line a violation."""
    count = f"{name:28} {error.type_name.rpartition('.')[2]}, {len(error.violations)} violations"
    console.print(Text.assemble(("  ✗ ", "bad"), count))
    for violation in error.violations:
        words = Text(f"      {violation.position!s:>5}  {violation}")
        console.print(words, no_wrap=True, overflow="ellipsis")


def broken_rules(error: ir.ValidationError) -> set[tuple[str, str]]:
    """Return the path and the rule's id of each violation."""
    return {(violation.path, violation.rule_id) for violation in error.violations}


def carry_all(console: Console, documents: dict[str, Message]) -> bool:
    """Carry each document through every form; tell whether all came back as they were."""
    table = Table(title="Bytes on the way through every form", title_justify="left", box=None)
    table.add_column("document")
    for name in JOURNEY:
        table.add_column(name, justify="right")
    table.add_column("")
    unchanged = 0
    for name, message in documents.items():
        came_back, sizes = carry(message)
        same = came_back == message
        unchanged += same
        verdict = Text("unchanged", "good") if same else Text("CHANGED", "bad")
        table.add_row(name, *map(str, sizes), verdict)
    console.print()
    console.print(table)
    lost = len(documents) - unchanged
    console.print(f"\n{unchanged} of {len(documents)} documents came back unchanged.")
    return not lost


def carry(message: Message) -> tuple[Message, list[int]]:
    """Write and read a message in each form in turn; return what came back and the sizes."""
    sizes = []
    for name in JOURNEY:
        data = FORMATS[name].write(message, None)
        sizes.append(len(data))
        message = FORMATS[name].read(data, type(message), True)
    return message, sizes


if __name__ == "__main__":
    sys.exit(main())
