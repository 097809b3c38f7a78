"""Options of a command from a configuration file and from the environment.

Both take every option that the command declares, so that a new option needs nothing here.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import click
from click.types import BoolParamType, FloatParamType, IntParamType

from crucible_ir.cli.options import DURATION
from crucible_ir.cli.session import COULD_NOT_RUN, print_error, reason_of
from crucible_ir.errors import near_miss, shorten

#: The permissions with which a file that contains a password is readable by other users.
_OTHERS: Final = 0o077

#: The words for the types of TOML.
_TYPE_NAMES: Final = {bool: "a boolean", int: "an integer", float: "a number", str: "a string"}


class ConfigurationError(click.ClickException):
    """A configuration is wrong; each mistake is printed on its own line.

    Args:
        mistakes: The mistakes, each with its place.
    """

    exit_code = COULD_NOT_RUN

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes

    def show(self, file: Any = None) -> None:
        """Print the mistakes."""
        for mistake in self.mistakes:
            print_error(mistake)


def config_option(prefix: str, example: str) -> Any:
    """Return ``--config``, by which the other options of a command can come from a file.

    The command line overrides the environment, and that the file.

    Args:
        prefix: The beginning of the names of environment variables.
        example: A line of a file, for the help.
    """

    def load(context: click.Context, _: click.Parameter, path: Path | None) -> None:
        options = configurable(context.command)
        values: dict[str, Any] = {}
        mistakes: list[str] = []
        entries = [] if path is None else _read(path, options)
        for entry in (*entries, *_environment(prefix, options)):
            option = options.get(entry.name)
            problem = entry.problem or (option and _conversion_problem(context, option, entry))
            if problem:
                mistakes.append(f"{entry.place}: {problem}")
            elif option is not None and option.name is not None:
                values[option.name] = entry.value
        if mistakes:
            raise ConfigurationError(mistakes)
        context.default_map = values

    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar=f"{prefix}CONFIG",
        expose_value=False,
        is_eager=True,
        callback=load,
        metavar="FILE",
        help=f"Read options from a TOML file, with lines such as `{example}`. Environment"
        f" variables such as {variable(prefix, example.partition(' ')[0])} override it, and the"
        " command line overrides both.",
    )


def configurable(command: click.Command) -> dict[str, click.Option]:
    """Return the options that a file can contain, by their names without dashes."""
    return {
        option.opts[0].lstrip("-"): option
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
    }


def variable(prefix: str, name: str) -> str:
    """Return the environment variable of an option.

    >>> variable("CRUCIBLE_IR_SERVE_", "max-calls")
    'CRUCIBLE_IR_SERVE_MAX_CALLS'
    """
    return prefix + name.replace("-", "_").upper()


class _Entry(NamedTuple):
    """An option in a file or in the environment.

    Attributes:
        place: Where it is, for errors.
        name: The name of the option.
        value: Its value.
        problem: What is wrong with it, as far as that is known.
    """

    place: str
    name: str = ""
    value: Any = None
    problem: str | None = None


def _read(path: Path, options: Mapping[str, click.Option]) -> list[_Entry]:
    """Return the options in a file."""
    try:
        text = path.read_bytes().decode()
        values = tomllib.loads(text)
        is_private = os.name != "posix" or not path.stat().st_mode & _OTHERS
    except OSError as error:
        return [_Entry(str(path), problem=reason_of(error))]
    except UnicodeDecodeError:
        return [_Entry(str(path), problem="it is not UTF-8; save it as UTF-8")]
    except tomllib.TOMLDecodeError as error:
        return [_Entry(str(path), problem=f"it is not TOML: {error}")]
    entries = []
    for name, value in values.items():
        place = f"{path}{_line_of(name, text)}"
        option = options.get(name)
        if option is not None:
            problem = _type_problem(option, value)
            if problem is None and not is_private and _has_password(value):
                problem = (
                    "it contains a password, and other users can read the file; run"
                    f" `chmod 600 {path}`"
                )
            entries.append(_Entry(f"{place}: {name}", name, value, problem))
        elif isinstance(value, dict):
            problem = f'unknown table "{name}"; options are not in tables'
            entries.append(_Entry(place, problem=problem))
        else:
            problem = f'unknown option "{name}"{near_miss(name, options)}'
            entries.append(_Entry(place, problem=problem))
    return entries


def _line_of(name: str, text: str) -> str:
    """Return the line of a key after a colon; nothing if it is not found, since TOML has none."""
    match = re.search(rf"^[ \t]*\[?[\"']?{re.escape(name)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return "" if match is None else f":{text.count(chr(10), 0, match.start()) + 1}"


def _type_problem(option: click.Option, value: Any) -> str | None:
    """Return what is wrong with the type of a value; ``None`` if it fits the option.

    Click would accept texts for numbers, cut fractions off, and take booleans for numbers.
    """
    expected = _type_of(option)
    if option.multiple and not isinstance(value, list):
        return f"expected a list, got {_type_name(value)}"
    for item in value if option.multiple else [value]:
        if type(item) is not expected and not (expected is float and type(item) is int):
            problem = f"expected {_TYPE_NAMES[expected]}, got {_type_name(item)}"
            if option.type is DURATION and type(item) is int:
                return f'{problem}: put a number and a unit in quotes, such as "90d"'
            return problem
    return None


def _type_of(option: click.Option) -> type:
    """Return the type in TOML of the values of an option."""
    if option.is_flag or isinstance(option.type, BoolParamType):
        return bool
    if isinstance(option.type, IntParamType):
        return int
    return float if isinstance(option.type, FloatParamType) else str


def _type_name(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return _TYPE_NAMES.get(type(value), "a date or time")


def _has_password(value: Any) -> bool:
    try:
        return isinstance(value, str) and urlsplit(value).password is not None
    except ValueError:
        return False


def _environment(prefix: str, options: Mapping[str, click.Option]) -> Iterator[_Entry]:
    """Yield the options in the environment; a variable that is empty counts as absent.

    Other variables with the prefix are no mistakes: orchestrators add such variables.
    """
    names = {variable(prefix, name): name for name in options}
    for key, text in os.environ.items():
        if not key.startswith(prefix) or not text or key == f"{prefix}CONFIG":
            continue
        if key not in names:
            print_error(f"unknown environment variable {key}{near_miss(key, names)}")
            continue
        option = options[names[key]]
        value = option.type.split_envvar_value(text) if option.multiple else text
        yield _Entry(key, names[key], value)


def _conversion_problem(context: click.Context, option: click.Option, entry: _Entry) -> str | None:
    """Return why an option does not accept a value; ``None`` if it does."""
    expected = _type_of(option)
    if expected in (int, float) and isinstance(entry.value, str):
        # Click calls the types "integer range" and "float range".
        try:
            expected(entry.value)
        except ValueError:
            return f"expected {_TYPE_NAMES[expected]}, got {shorten(entry.value)}"
    try:
        option.type_cast_value(context, entry.value)
    except click.BadParameter as error:
        return error.message.removesuffix(".")
    return None
