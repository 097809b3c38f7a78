"""Options from a configuration file and from the environment."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from cli.command_line import Result, run
from click.types import FloatParamType, IntParamType

from crucible_ir.cli.commands.exchange.serve import ENVIRONMENT_PREFIX, command
from crucible_ir.cli.configuration import config_option, configurable, variable

OPTIONS = configurable(command)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(*arguments: str) -> dict[str, Any]:
    """Return the values of the options of `serve`, without running it."""
    return command.make_context("serve", list(arguments)).params


def write(text: str, mode: int = 0o600) -> str:
    """Write a configuration file, and return its name."""
    path = Path("exchange.toml")
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def serve(text: str, *arguments: str, mode: int = 0o600) -> Result:
    """Run `serve` with a configuration that is wrong."""
    return run("serve", "--config", write(text, mode), *arguments)


def sample_of(option: click.Option) -> str:
    """Return a value of an option that is not its default, as text."""
    least = int(getattr(option.type, "min", None) or 0)
    candidates = ["true"] if option.is_flag else []
    candidates += list(getattr(option.type, "choices", ()))[::-1]
    candidates += ["sample", str(least + 7), "90d", "name=value", "a:1", "0.2.0"]
    context = click.Context(command)
    for candidate in candidates:
        value = [candidate] if option.multiple else candidate
        with suppress(click.BadParameter):
            option.type_cast_value(context, value)
            return candidate
    raise AssertionError(f"add a sample for {option.opts[0]}")


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_serve_can_be_in_a_file_and_in_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = OPTIONS[name]
    sample = sample_of(option)
    expected = parsed(f"--{name}", *([] if option.is_flag else [sample]))
    assert expected != parsed()
    is_text = not option.is_flag and not isinstance(option.type, IntParamType | FloatParamType)
    value = f'"{sample}"' if is_text else sample
    value = f"[{value}]" if option.multiple else value
    assert parsed("--config", write(f"{name} = {value}")) == expected
    monkeypatch.setenv(variable(ENVIRONMENT_PREFIX, name), sample)
    assert parsed() == expected


def test_help_options_are_no_configuration() -> None:
    assert not {"help", "config", "debug", "color"} & OPTIONS.keys()
    assert len(OPTIONS) >= 25


def test_the_command_line_wins_then_the_environment_then_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write('listen = "file:1"\nmax-calls = 1\nping = 11\nhealth = true\nmax-rate = 2.5')
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_MAX_CALLS", "2")
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_PING", "12")
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_REFLECTION", "")
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_HEALTH", "off")
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", "elsewhere:1")
    found = parsed("--config", path, "--ping", "13")
    assert (found["listen"], found["max_calls"], found["ping"]) == ("file:1", 2, 13)
    assert (found["health"], found["reflection"], found["max_rate"]) == (False, False, 2.5)
    assert found["store"] == "exchange.db"
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_CONFIG", path)
    assert parsed()["listen"] == "file:1"


def test_all_mistakes_are_reported_at_once_with_their_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_GRACE", "soon")
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_TRACING", "maybe")
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_MAX_CALLS", "x")
    result = serve(
        """# A comment: max-idle = "x"
listen = 7551
max-cals = 3
max_calls = 3
"max-idle" = "12"
max-rate = 0
keep-history = "90 days"
keep-audit = 90
max-calls = 1.5
health = 1
max-connections = true
log-level = "loud"
tls-key = 2026-11-30
tokens = ["a", "b"]
ping = {}

[limits]
max-seconds = 3
"""
    )
    assert (result.status, result.out) == (2, "")
    lines = [line.removeprefix("crucible-ir: ") for line in result.err.splitlines()]
    assert lines[:-3] == [
        "exchange.toml:2: listen: expected a string, got an integer",
        'exchange.toml:3: unknown option "max-cals"; did you mean "max-calls"?',
        'exchange.toml:4: unknown option "max_calls"; did you mean "max-calls"?',
        "exchange.toml:5: max-idle: expected a number, got a string",
        "exchange.toml:6: max-rate: 0.0 is not in the range x>0",
        'exchange.toml:7: keep-history: invalid duration "90 days": expected a number and a unit'
        " (s, m, h, d, w), such as 90d",
        "exchange.toml:8: keep-audit: expected a string, got an integer: put a number and a unit in"
        ' quotes, such as "90d"',
        "exchange.toml:9: max-calls: expected an integer, got a number",
        "exchange.toml:10: health: expected a boolean, got an integer",
        "exchange.toml:11: max-connections: expected an integer, got a boolean",
        "exchange.toml:12: log-level: 'loud' is not one of 'debug', 'info', 'warning', 'error'",
        "exchange.toml:13: tls-key: expected a string, got a date or time",
        "exchange.toml:14: tokens: expected a string, got a list",
        "exchange.toml:15: ping: expected a number, got a table",
        'exchange.toml:17: unknown table "limits"; options are not in tables',
    ]
    assert "CRUCIBLE_IR_SERVE_MAX_CALLS: expected an integer, got 'x'" in lines
    assert sorted(line.partition(":")[0] for line in lines[-3:]) == [
        "CRUCIBLE_IR_SERVE_GRACE",
        "CRUCIBLE_IR_SERVE_MAX_CALLS",
        "CRUCIBLE_IR_SERVE_TRACING",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"listen = ", "it is not TOML: "),
        (b'listen = "a:1"\nlisten = "b:1"', "it is not TOML: "),
        ('listen = "a:1"'.encode("utf-16"), "it is not UTF-8"),
        (None, "no such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported(content: bytes | None, reason: str) -> None:
    if content is not None:
        Path("x.toml").write_bytes(content)
    result = run("serve", "--config", "x.toml")
    assert result.status == 2
    assert result.err.startswith(f"crucible-ir: x.toml: {reason}")
    assert result.err.count("\n") == 1


def test_a_file_with_a_password_must_be_private() -> None:
    text = 'store = "postgresql://me:secret@localhost/x"'
    result = serve(text, mode=0o640)
    assert result.status == 2
    assert result.err == (
        "crucible-ir: exchange.toml:1: store: it contains a password, and other users can read the"
        " file; run `chmod 600 exchange.toml`\n"
    )
    assert parsed("--config", write(text))["store"].startswith("postgresql://me:secret@")
    assert parsed("--config", write('store = "postgresql://me@h/x"', 0o644))["store"]


def test_unknown_variables_are_reported_and_ignored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Kubernetes adds the second for a service named `crucible-ir-serve`.
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_HELTH", "1")
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_SERVICE_HOST", "10.0.0.1")
    assert not parsed()["health"]
    err = capsys.readouterr().err
    assert (
        "crucible-ir: unknown environment variable CRUCIBLE_IR_SERVE_HELTH; did you mean"
        ' "CRUCIBLE_IR_SERVE_HEALTH"?\n'
    ) in err
    assert "CRUCIBLE_IR_SERVE_SERVICE_HOST" in err


def test_options_that_repeat_are_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    options = [
        config_option("SOME_", "number = [1, 2]"),
        click.option("--number", type=int, multiple=True),
        click.option("--exact", type=bool, default=None),
    ]
    some = click.Command("some")
    for option in options:
        option(some)

    def values(*arguments: str) -> dict[str, Any]:
        return some.make_context("some", list(arguments)).params

    assert values("--config", write("number = [1, 2]\nexact = false")) == {
        "number": (1, 2),
        "exact": False,
    }
    monkeypatch.setenv("SOME_NUMBER", "3 4")
    assert values("--config", write("number = [1, 2]"))["number"] == (3, 4)
    monkeypatch.delenv("SOME_NUMBER")
    for wrong, reason in (("3", "a list, got an integer"), ('[1, "2"]', "an integer, got a st")):
        with pytest.raises(click.ClickException, match=reason):
            values("--config", write(f"number = {wrong}"))


def test_the_help_teaches_both() -> None:
    text = " ".join(run("serve", "--help").out.split())
    assert "--config FILE" in text
    assert "`max-calls = 100`" in text
    assert "CRUCIBLE_IR_SERVE_MAX_CALLS" in text
    assert "serve --config exchange.toml" in text


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_numbers_are_finite(number: str) -> None:
    ran = run("serve", "--max-idle", number)
    assert (ran.status, f"expected a finite number, got '{number}'" in ran.err) == (2, True)
    ran = serve(f"max-idle = {number}\n")
    assert (ran.status, "max-idle: expected a finite number" in ran.err) == (2, True)
