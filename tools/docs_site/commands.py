"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from crucible_ir.cli.program import GROUPS, Command, LimitOption, program
from docs_site.markdown import block, escaped, page, table, toctree

#: The folder of the pages, and the name of the list of them.
COMMANDS = "commands"

_INTRODUCTION = """\
Each command has a page, which is generated from its help: `crucible-ir COMMAND --help` prints the
same. [Command line](command-line.md) is the guide."""


def command_pages() -> dict[str, str]:
    """Return the pages of the commands, and the list of them, by their paths on the site."""
    context = click.Context(program, info_name="crucible-ir")
    names = program.list_commands(context)
    pages = {}
    for name in names:
        command = program.get_command(context, name)
        assert command is not None
        pages[f"{COMMANDS}/{name}.md"] = page(_command(command, name, context, depth=1))
    return {f"{COMMANDS}.md": _list(context, names), **pages}


def _list(context: click.Context, names: list[str]) -> str:
    parts = ["# Commands", _INTRODUCTION, *_help(program)]
    for title, (_, commands) in GROUPS.items():
        rows = [
            [f"[`{name}`]({COMMANDS}/{name}.md)", escaped(text)] for name, text in commands.items()
        ]
        parts += [f"## {title}", table(["command", "task"], rows)]
    parts += ["## Options of the program", *_options(program, context)]
    if program.epilog:
        parts += ["## Formats and exit status", _text(program.epilog)]
    return page([*parts, toctree(f"{COMMANDS}/{name}" for name in names)])


def _command(
    command: click.Command, name: str, parent: click.Context, *, depth: int
) -> Iterator[str]:
    """Yield the section of a command and those of its subcommands."""
    context = click.Context(command, info_name=name, parent=parent)
    path = context.command_path if depth > 1 else name
    level = "#" * depth
    yield f"{level} `{path}`" if depth > 1 else f"# {path}"
    yield block("text", f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}")
    yield from _help(command)
    if isinstance(command, Command) and command.examples:
        yield f"{level}# Examples" if depth == 1 else "**Examples**"
        lines = [f"# {meaning}\n{line}" for line, meaning in command.examples]
        yield block("sh", "\n\n".join(lines))
    yield f"{level}# Options" if depth == 1 else "**Options**"
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            subcommand = command.get_command(context, each)
            assert subcommand is not None
            yield from _command(subcommand, each, context, depth=2)


def _help(command: click.Command) -> Iterator[str]:
    """Yield the paragraphs of the help of a command."""
    for paragraph in re.split(r"\n\s*\n", command.help or ""):
        yield _text(paragraph)


def _text(text: str) -> str:
    """Return text of the help, with the options that it names as code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    named = (
        part if part.startswith("`") else re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"`\g<0>`", part)
        for part in parts
    )
    return escaped("".join(named))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the options of a command, then the limits on its input."""
    yield f"```{{program}} {context.command_path}\n```"
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    for option in options:
        if isinstance(option, LimitOption):
            continue
        record = option.get_help_record(context)
        if record is not None:
            yield _option(*record)
    for option in options:
        if isinstance(option, LimitOption):
            yield _option(*option.limit_record(context))


def _option(declaration: str, text: str) -> str:
    """Return the entry of an option, which links and the search find by its name."""
    return f"```{{option}} {declaration.replace(' / ', ', ')}\n{_text(text)}\n```"
