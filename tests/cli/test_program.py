"""The program around the commands: help, colour, exit statuses and errors."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

import click
import pytest
from cli.command_line import EXAMPLES, on_a_terminal, run

from crucible_ir import Limits, __version__, native
from crucible_ir.cli import progress
from crucible_ir.cli.program import COMMANDS, Command, program
from crucible_ir.interchange.bundle.limits import BundleLimits
from crucible_ir.serialization import formats

PROGRAM = (sys.executable, "-m", "crucible_ir")

FOREIGN_DOCUMENTS = Path(__file__).resolve().parents[1] / "interchange" / "documents"


def command_of(name: str) -> Command:
    command = program.get_command(click.Context(program), name)
    assert isinstance(command, Command)
    return command


def test_help_lists_every_command_without_importing_one() -> None:
    code = (
        "import sys; from crucible_ir.cli import main\n"
        "try: main()\n"
        "finally: print(sorted(m for m in sys.modules if m.split('.')[0] in"
        " ('rich', 'yaml', 'protovalidate', 'multiprocessing') or '.commands.' in m))"
    )
    out = subprocess.check_output([sys.executable, "-c", code, "--help"], text=True)
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{summary.split()[0]}", out, re.MULTILINE)
    assert out.splitlines()[-1] == "[]"


def test_help_groups_the_commands() -> None:
    groups: dict[str, list[str]] = {}
    group = ""
    for line in run("--help").lines:
        if re.fullmatch(r"[A-Z]\w+:", line):
            group = line[:-1]
        elif line.startswith("  ") and line[2] != " " and group:
            groups.setdefault(group, []).append(line.split()[0])
    groups.pop("Options")
    # Prose follows the last group.
    groups["Tools"] = [name for name in groups["Tools"] if name in COMMANDS]
    assert list(groups) == [
        "Documents",
        "Streams",
        "Schema",
        "Exchange",
        "Interchange",
        "Tools",
    ]
    assert [name for names in groups.values() for name in names] == list(COMMANDS)
    assert groups["Documents"][:3] == ["validate", "lint", "convert"]
    assert groups["Tools"] == ["demo", "conformance", "completion"]


@pytest.mark.parametrize(
    "name",
    ["validate", "lint", "convert", "show", "digest", "diff", "publish", "ingest"],
)
def test_help_has_the_limits_in_a_section_at_the_end(name: str) -> None:
    options, limits = run(name, "--help").out.split("Limits on the input:\n")
    assert "Examples:" in options
    names = {limit.name for limit in fields(Limits)}
    if name == "publish":
        names |= {limit.name for limit in fields(BundleLimits)}
    for limit in names:
        option = f"--{limit.replace('_', '-')} N"
        assert option in limits
        assert option not in options
    # Nothing else is there.
    assert len(re.findall(r"^  --", limits, re.MULTILINE)) == len(names)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_line_of_each_help(name: str) -> None:
    help_text = command_of(name).help
    assert help_text is not None
    assert help_text.split("\n")[0] == COMMANDS[name]
    assert run(name, "--help").status == 0


def arguments_of(line: str) -> tuple[list[str], bytes]:
    """Split an example as a shell does, without redirections; return the words and the input."""
    words = shlex.split(line)
    if ">" in words:
        del words[words.index(">") :]
    if "<" in words:
        at = words.index("<")
        return words[1:at], Path(words[at + 1]).read_bytes()
    return words[1:], b""


#: Commands whose examples need a shell, or a server: tests/exchange runs those.
ELSEWHERE = {
    *("completion", "demo"),
    *("serve", "publish", "fetch", "list", "watch", "trace", "metrics", "compact", "audit"),
    *("ingest", "export", "summarize", "feedback-config", "erase-feedback", "tokens"),
    *("purge", "console"),
    *("backup", "restore"),
}

EVERY_EXAMPLE = [
    pytest.param(line, marks=pytest.mark.slow if name == "conformance" else ())
    for name in COMMANDS
    if name not in ELSEWHERE
    for line, _ in command_of(name).examples
    if "--publish" not in line and "--server" not in line
]


def make_foreign_files(command: str) -> None:
    """Make the files that the examples of imports and exports name."""
    [offline_run] = (FOREIGN_DOCUMENTS / "wandb").iterdir()
    shutil.copytree(offline_run, "wandb/run-20260102_030405-abc")
    shutil.copy(FOREIGN_DOCUMENTS / "openai" / "response.json", "response.json")
    if command == "export-to":
        run("import-from", "openai", "response.json", "-o", "completion.yaml")
        run("import-from", "wandb", "wandb", "-o", "runs.jsonl")
        run("import-from", "wandb", "wandb", "-o", "run.yaml")


@pytest.mark.parametrize("line", EVERY_EXAMPLE)
def test_every_example_of_the_help_runs(
    folder: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The executor of the examples is found by PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    shutil.copytree(EXAMPLES, "examples")
    (folder / "runs" / "may").mkdir(parents=True)
    run("convert", "examples/training_run.crucible.json", "run.json")
    shutil.copy("run.json", "runs/may/run.json")
    run("convert", "examples/prompt.yaml", "prompt.binpb")
    run("convert", "examples/experiment.yaml", "experiment.binpb")
    for stream in ("events.jsonl", "events.binpbs.gz"):
        run("convert", "examples/feedback_event.crucible.json", stream)
    run("schema", "--export", "descriptor-set", "--output", "ir.binpb")
    if line.split()[1] in ("import-from", "export-to"):
        make_foreign_files(line.split()[1])
    if not line.startswith("crucible-ir bundle create"):
        models = ("examples/model*", "examples/training*")
        run("bundle", "create", *models, "-o", "llama.crucible.zip")
    arguments, stdin = arguments_of(line)
    written = {"convert": ("experiment.binpb", "events.jsonl"), "schema": ("ir.binpb",)}
    if arguments[-1] in written.get(arguments[0], ()):
        # The file that it writes does not exist yet.
        Path(arguments[-1]).unlink()
    result = run(*arguments, stdin=stdin)
    # One document in the folder of examples is invalid on purpose.
    expected = 1 if arguments[0] == "validate" and "examples" in arguments else 0
    assert result.status == expected, result.err
    assert result.out or list(folder.iterdir())


def test_the_version_is_that_of_the_package() -> None:
    engine = f"engine: {native.status()}"
    assert run("--version").out == f"crucible-ir, version {__version__}\n{engine}\n"


def test_a_misspelt_command_suggests_the_nearest() -> None:
    result = run("vaildate", "x")
    assert result.status == 2
    assert 'unknown command "vaildate"; did you mean "validate"?' in result.err


def fail_as_a_bug_would(*_: object) -> NoReturn:
    raise KeyError("line one\nline two")


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "d.yaml").write_text("name: d\nsplit: DATASET_SPLIT_TEST\n")
    monkeypatch.setattr("crucible_ir.cli.checking.checks.type_for", fail_as_a_bug_would)


def test_short_memory_is_no_bug(bug: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr("crucible_ir.cli.checking.checks.type_for", failing)
    result = run("validate", "d.yaml")
    assert (result.status, "crucible-ir: memory is short: " in result.err) == (2, True)


def test_an_unexpected_error_is_reported_as_a_bug_without_a_traceback(bug: None) -> None:
    result = run("validate", "d.yaml")
    assert result.status == 2
    first, second = result.err.splitlines()
    assert first == r"crucible-ir: this is a bug: KeyError: 'line one\nline two'"
    assert "--debug" in second


@pytest.mark.parametrize("arguments", [("--debug", "validate"), ("validate", "--debug")])
def test_debug_shows_the_traceback(bug: None, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "d.yaml")
    assert result.status == 2
    assert "Traceback" in result.err
    assert "fail_as_a_bug_would" in result.err


def test_the_environment_can_enable_the_traceback(
    bug: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_DEBUG", "1")
    assert "Traceback" in run("validate", "d.yaml").err


def test_an_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("crucible_ir.cli.checking.checks.content_of", interrupt)
    result = run("validate", "d.yaml")
    assert result.status == 130
    assert "Traceback" not in result.err


def test_an_interrupt_ends_the_workers_too(folder: Path) -> None:
    os.mkfifo("waits.yaml")
    process = subprocess.Popen(
        [*PROGRAM, "validate", "--jobs", "2", "waits.yaml", "other.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # The children of a background job of a shell would ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    # A worker that opens the pipe for reading lets it be opened for writing.
    with open("waits.yaml", "wb"):
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_closed_pipe_ends_the_program_without_a_message(folder: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "schema", "Experiment", "--export", "json-schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.parametrize("command", ["validate", "show", "explain", "schema"])
def test_a_closed_pipe_gives_no_message_for_drawings_either(command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    arguments = [str(EXAMPLES / "experiment.yaml")] if command in ("validate", "show") else []
    process = subprocess.run(
        [*PROGRAM, command, *arguments], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (141, b"")


def test_colour_is_for_terminals_unless_configured_otherwise() -> None:
    show = ("show", str(EXAMPLES / "model.yaml"))
    assert "\x1b[" not in run(*show).out
    assert "\x1b[" in run(*show, "--color", "always").out
    assert "\x1b[" in run("--color", "always", *show).out
    assert "\x1b[" in on_a_terminal(*show)
    assert "\x1b[" not in on_a_terminal(*show, NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(*show, "--color", "never")
    assert "\x1b[" not in on_a_terminal(*show, TERM="dumb")
    assert "\x1b[" in on_a_terminal(*show, "--color", "always", NO_COLOR="1")


def test_binary_is_not_written_to_a_terminal() -> None:
    written = on_a_terminal("convert", "--to", "binary", str(EXAMPLES / "model.yaml"))
    assert "binary output would garble the terminal" in written


def test_a_bar_is_shown_on_a_terminal_after_a_delay_and_removed_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for item in progress.with_progress("abc", 3):
        print(item)
    written = capsys.readouterr()
    assert written.out == "a\nb\nc\n"
    assert "2/3" in written.err
    assert written.err.endswith("\r\x1b[2K")


def test_no_bar_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.with_progress("abc", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_a_character_that_the_output_encoding_lacks_is_escaped(folder: Path) -> None:
    (folder / "d.yaml").write_text("name: caf\u00e9\nsplit: DATASET_SPLIT_TEST\n", encoding="utf-8")
    out = subprocess.check_output(
        [*PROGRAM, "show", "d.yaml"], env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert rb"caf\xe9" in out


def test_a_file_name_that_is_not_utf8_is_shown_escaped(folder: Path) -> None:
    name = os.fsdecode(b"d\xff.yaml")
    (folder / name).write_text("name: d\nsplit: DATASET_SPLIT_TEST\n")
    assert run("validate", ".").lines[0] == r"d\udcff.yaml: valid DatasetRef"
    for report_format in ("json", "sarif", "github", "junit"):
        assert run("validate", "--format", report_format, ".").status == 0


def test_every_format_is_in_the_help_of_from() -> None:
    text = " ".join(run("convert", "--help").out.split())
    for name in formats.FORMATS:
        assert name in text


def test_commands_are_click_commands_that_take_the_common_options() -> None:
    for name in COMMANDS:
        options = {option for p in command_of(name).params for option in p.opts}
        assert {"--color", "--debug"} <= options
        assert isinstance(command_of(name), click.Command)
