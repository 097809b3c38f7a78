"""The guides for several languages, followed from an empty folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pages import as_shown, commands_of, fences, file_name

from crucible_ir import v1


def follow(
    page: str, folder: Path, run: Callable[[str], str], replacements: Mapping[str, str]
) -> list[str]:
    """Do what a guide says, block by block: write its files, run its commands.

    A block whose first line names a file is written to that file. The commands of `sh` blocks run;
    those of `console` blocks also print what the page shows. A block that writes the schema runs
    twice, because a reader runs it again after an upgrade of this package.

    Args:
        page: The guide.
        folder: The folder of the reader's project.
        run: Runs a command line in the folder, and returns its output.
        replacements: What the reader replaces: addresses of servers, by those of the page.

    Returns:
        The names of the files and the command lines, in the order of the page.
    """
    done: list[str] = []
    for example in replacements:
        assert example in page
    for language, block in fences(page):
        text = block
        for example, actual in replacements.items():
            text = text.replace(example, actual)
        if name := file_name(block):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            done.append(name)
        elif language == "sh":
            for _ in range(2 if "crucible-ir schema" in text else 1):
                run(text)
            done.append(block)
        elif language == "console":
            for command in commands_of(text):
                printed = run(command.line)
                assert as_shown(printed, command.shown), f"$ {command.line}\n{printed}"
            done += [command.line for command in commands_of(block)]
        else:
            raise AssertionError(f"nothing is done with a block of {language!r}:\n{text}")
    return done


def version_of_the_guides() -> v1.ModelVersion:
    """Return the model version that the programs of the guides write and digest."""
    return v1.ModelVersion(
        id="llama_mmlu_3",
        model_id="llama",
        version="1.0.0",
        stage=v1.ModelStage.MODEL_STAGE_STAGING,
        metrics={"accuracy": 0.684},
    )
