"""A tour of the documents in this folder: validate, show, convert and exchange them.

`make run` runs it. The exit status is 0 only if every result is as expected.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from end_to_end import ExampleError, run_end_to_end
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text

import crucible_ir as ir
from crucible_ir import v1

EXAMPLES = Path(__file__).resolve().parent

#: The type of each document.
TYPES: dict[str, type[Message]] = {
    "broken_experiment.yaml": v1.Experiment,
    "capabilities.json": v1.Capabilities,
    "completion.crucible.json": v1.Completion,
    "conversation.yaml": v1.Prompt,
    "deployment.yaml": v1.DeploymentConfig,
    "deployment_status.txtpb": v1.DeploymentStatus,
    "evaluation.yaml": v1.EvaluationResult,
    "experiment.yaml": v1.Experiment,
    "feedback_config.yaml": v1.FeedbackConfig,
    "feedback_event.crucible.json": v1.FeedbackEvent,
    "fine_tuning_run.yaml": v1.TrainingRun,
    "finished_run.binpb": v1.Document,
    "model.yaml": v1.ModelRef,
    "model_version.json": v1.ModelVersion,
    "prompt.yaml": v1.Prompt,
    "refusal.yaml": v1.Completion,
    "training.yaml": v1.TrainingConfig,
    "training_run.crucible.json": v1.TrainingRun,
}


class Format(NamedTuple):
    """A format: the extension of its files, its reader and its writer."""

    extension: str
    read: Callable[[Any, type[Message]], Message]
    write: Callable[[Message], str | bytes]


#: The formats; the first whose extension ends a file name is that of the file.
FORMATS = (
    Format(".crucible.json", ir.from_crucible_json, ir.to_crucible_json),
    Format(".binpb", ir.from_binary, ir.to_binary),
    Format(".json", ir.from_json, ir.to_json),
    Format(".yaml", ir.from_yaml, ir.to_yaml),
    Format(".txtpb", ir.from_text, ir.to_text),
)

#: The document that is shown.
SHOWN = "prompt.yaml"

#: The document that is invalid on purpose, and the rules that it breaks.
BROKEN = "broken_experiment.yaml"
BROKEN_RULES = {
    ("pipeline[1].name", "required"),
    ("reliability.hedging.percentile", "double.gte_lte"),
    ("model_version.version", "string.pattern"),
    ("training_config.dataset_ref", "required"),
    ("training_config.epochs", "int32.gt"),
    ("training_config.validation_split", "double.gte_lte"),
}


def main() -> int:
    """Run the tour and return the exit status."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 100
    documents = read_all(console)
    show(console, SHOWN)
    if not convert_all(console, documents):
        return 1
    try:
        run_end_to_end(console, documents)
    except (ExampleError, ir.Error) as error:
        sys.exit(f"the exchange: {error}")
    console.print("\nEvery result is as expected.")
    return 0


def read_all(console: Console) -> dict[str, Message]:
    """Read and validate every document, print the results, and return the valid documents."""
    console.print(f"Crucible IR {ir.__version__}: {len(TYPES)} documents, read and validated\n")
    valid: dict[str, Message] = {}
    for name, type_ in TYPES.items():
        try:
            valid[name] = read(name, type_)
        except ir.ValidationError as error:
            print_violations(console, name, error)
            broken = {(violation.path, violation.rule_id) for violation in error.violations}
            if name != BROKEN or broken != BROKEN_RULES:
                sys.exit(f"{name}: unexpected violations")
        except ir.Error as error:
            sys.exit(f"{name}: {error}")
        else:
            line = f"{name:28} {valid[name].DESCRIPTOR.name}"
            console.print(Text.assemble(("  ✓ ", "green"), line))
    if BROKEN in valid:
        sys.exit(f"{BROKEN}: valid, expected violations")
    return valid


def read(name: str, type_: type[Message]) -> Message:
    """Read and validate a document."""
    format_ = next(each for each in FORMATS if name.endswith(each.extension))
    return format_.read((EXAMPLES / name).read_bytes(), type_)


def print_violations(console: Console, name: str, error: ir.ValidationError) -> None:
    """Print the violations of a document, one per line."""
    count = f"{name:28} {error.type_name.rpartition('.')[2]}, {len(error.violations)} violations"
    console.print(Text.assemble(("  ✗ ", "bold red"), count))
    for violation in error.violations:
        line = Text(f"      {violation.position!s:>5}  {violation}")
        console.print(line, no_wrap=True, overflow="ellipsis")


def show(console: Console, name: str) -> None:
    """Show a document as a tree, with the command line."""
    console.print(f"\n$ crucible-ir show --no-defaults examples/{name}")
    console.file.flush()
    command = [sys.executable, "-m", "crucible_ir", "show", "--no-defaults", f"examples/{name}"]
    subprocess.run(command, cwd=EXAMPLES.parent, check=True)


def convert_all(console: Console, documents: dict[str, Message]) -> bool:
    """Convert each document through all formats; return whether none of them changed."""
    table = Table(title="Size in each format, in bytes", title_justify="left", box=None)
    table.add_column("document")
    for format_ in FORMATS:
        table.add_column(format_.extension, justify="right")
    table.add_column("")
    unchanged = 0
    for name, message in documents.items():
        result, sizes = convert(message)
        same = result == message
        unchanged += same
        verdict = Text("unchanged", "green") if same else Text("CHANGED", "bold red")
        table.add_row(name, *map(str, sizes), verdict)
    console.print()
    console.print(table)
    console.print(f"\n{unchanged} of {len(documents)} documents are unchanged after conversion.")
    return unchanged == len(documents)


def convert(message: Message) -> tuple[Message, list[int]]:
    """Write and read a message in one format after the other; return the result and the sizes."""
    sizes = []
    for format_ in FORMATS:
        data = format_.write(message)
        sizes.append(len(data.encode() if isinstance(data, str) else data))
        message = format_.read(data, type(message))
    return message, sizes


if __name__ == "__main__":
    sys.exit(main())
