"""The guide names the errors, methods and options that exist, and its program runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import textwrap
import threading
import uuid
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, run
from click import Command, Context, Group, Option
from exchange.client.served import Served
from exchange.ports import path_with_programs, serving_by_command

import crucible_ir.exchange
from crucible_ir import v1
from crucible_ir.cli.commands.exchange import serve
from crucible_ir.cli.program import program
from crucible_ir.exchange import AsyncExchangeClient, ExchangeClient, Tls

DOCS = Path(__file__).resolve().parents[3] / "docs"
GUIDE = (DOCS / "exchange.md").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")


def test_the_guide_has_exactly_the_errors_that_exist() -> None:
    table = GUIDE.split("## Errors")[1].split("## Guarantees")[0]
    named = set(re.findall(r"`(\w+Error)`", table)) - {"ExchangeError"}
    offered = {name for name in dir(crucible_ir.exchange) if name.endswith("Error")}
    assert named == offered - {"ExchangeError", "MissingExtraError", "PreconditionError"}


def test_the_guide_has_exactly_the_methods_that_exist() -> None:
    table = GUIDE.split("| to | call |")[1].split("`AsyncExchangeClient`")[0]
    named = {name for name in re.findall(r"`(\w+)(?:\(\))?`", table) if name[0].islower()}
    offered = {name for name in vars(ExchangeClient) if not name.startswith("_")} - {"close"}
    assert named - {"upstream", "downstream"} == offered
    assert offered <= set(vars(AsyncExchangeClient))


def test_every_option_of_the_guides_commands_exists() -> None:
    for line in re.findall(r"^crucible-ir .*$", GUIDE + OPERATIONS, re.MULTILINE):
        words = line.partition("#")[0].split()[1:]
        context = Context(program)
        command: Command | None = program.get_command(context, words[0])
        if isinstance(command, Group):
            command = command.get_command(context, words[1])
        assert command is not None, line
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word for word in words if word.startswith("--")} <= known, line


def options_table() -> dict[str, tuple[str, str]]:
    """Return the default and the meaning of each option in the guide's table."""
    table = OPERATIONS.split("| option | default | meaning |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()]
    return {name.strip("`"): (default.strip("` "), meaning) for name, default, meaning in rows}


def test_the_guide_has_exactly_the_options_of_serve_with_their_help() -> None:
    options = [each for each in serve_command().params if isinstance(each, Option)]
    assert {name: meaning for name, (_, meaning) in options_table().items()} == {
        option.opts[0]: option.help for option in options
    }


def test_the_defaults_of_the_guide_are_those_of_serve() -> None:
    def settings(*words: str) -> list[object]:
        given = dict(serve_command().make_context("serve", list(words)).params)
        others = [given.get(name) for name in ("store", "log_format", "log_level")]
        return [serve._options(given), serve._settings(given), *others]

    defaults = {name: default for name, (default, _) in options_table().items() if default}
    assert len(defaults) > 10
    for name, default in defaults.items():
        assert settings(name, default) == settings(), name


def serve_command() -> Command:
    command = program.get_command(Context(program), "serve")
    assert command is not None
    return command


@pytest.mark.slow
def test_the_first_steps_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRUCIBLE_IR_SERVER", raising=False)
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    serve, *steps = GUIDE.split("## Start")[1].split("```sh\n")[1].split("```")[0].splitlines()
    assert serve.startswith("crucible-ir serve ")
    printed: dict[str, str] = {}
    with serving_by_command(serve, tmp_path):
        for step in steps:
            ran = subprocess.run(
                [
                    "bash",
                    "-c",
                    f"timeout 20 {step}" if "watch" not in step else f"timeout 3 {step}",
                ],
                cwd=tmp_path,
                env={**os.environ, "PATH": path_with_programs()},
                capture_output=True,
                text=True,
                check=False,
            )
            name = step.split()[1]
            # One example is invalid, and a watch is interrupted.
            assert ran.returncode == {"publish": 1, "watch": 124}.get(name, 0), (step, ran.stderr)
            printed.setdefault(name, ran.stdout)
    assert printed["publish"].endswith("16 documents: 15 stored, 0 unchanged, 1 rejected\n")
    assert "llama_mmlu_3" in printed["list"]
    assert printed["fetch"].startswith("id: llama_mmlu_3\n")
    assert printed["ingest"] == "1 accepted, 0 duplicates\n"
    assert "DatasetRef wikitext-103" in printed["trace"]
    assert printed["export"] == "events.binpbs: 1 event\n"
    assert len(printed["watch"].splitlines()) == 15


def test_the_guides_program_runs(shared: Served) -> None:
    [block] = re.findall(r"```py\n(.*?)```", GUIDE, re.DOTALL)
    code = block.replace('"exchange.example.com:7551"', repr(shared.address))
    code = code.replace("token=token", "token=None").replace(
        'tls=Tls.from_files(ca="ca.pem")', "tls=None"
    )
    code = code.replace("for change in client.watch(", "for change in watched(client.watch(")
    code = code.replace("DeploymentConfig]):", "DeploymentConfig])):")
    name = str(uuid.uuid4())

    def watched(watch: crucible_ir.exchange.Watch) -> list[object]:
        deployment = v1.DeploymentConfig(id=name, model_version_id="llama_mmlu_3")
        publishing = threading.Thread(target=publish, args=(deployment,))
        publishing.start()
        publishing.join()
        return [next(watch)]

    def publish(message: v1.DeploymentConfig | v1.ModelVersion) -> None:
        with ExchangeClient(shared.address) as client:
            client.publish(message)

    publish(v1.ModelVersion(id="llama_mmlu_3", model_id="llama", version="1.0.0"))
    names: dict[str, object] = {"events": [v1.FeedbackEvent(id=name)], "watched": watched}
    exec(compile(textwrap.dedent(code), "docs/exchange.md", "exec"), names)
    assert names["Tls"] is Tls
    with ExchangeClient(shared.address) as client:
        stored = client.get(v1.ModelVersion, "llama_mmlu_3")
        assert list(client.export())
    assert isinstance(stored.content, v1.ModelVersion)
    assert stored.content.stage == v1.ModelStage.MODEL_STAGE_PRODUCTION


def test_the_guides_runs_grow(shared: Served, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        code = block.replace('"127.0.0.1:7551"', repr(shared.address))
        exec(compile(code, "docs/exchange.md", "exec"), {})
    count, *points = capsys.readouterr().out.splitlines()
    assert count == "10 1"
    assert points == [f"{step} {step} {1 / (1 + step)}" for step in range(10)]
    with ExchangeClient(shared.address) as client:
        assert client.read_metrics("run_008").count == 100


def test_the_guides_searches_find_what_they_say(shared: Served) -> None:
    section = GUIDE.split("## Search")[1].split("\n## ")[0]
    name = f"searched-{uuid.uuid4()}"
    # Each condition is on one of these, and the other satisfies its opposite.
    matching = v1.ModelVersion(
        id=f"{name}/1",
        model_id="m",
        version="1.2.1",
        stage=v1.ModelStage.MODEL_STAGE_PRODUCTION,
        created_by="ann.lee",
        tags=["nightly"],
        metrics={"accuracy": 0.95, "eval/loss": 1},
    )
    matching.created_at.FromJsonString("2025-02-01T00:00:00Z")
    other = v1.ModelVersion(
        id=f"{name}/2",
        model_id="m",
        version="1.1.0",
        stage=v1.ModelStage.MODEL_STAGE_ARCHIVED,
        created_by="bob",
        metrics={"eval/loss": 3},
    )
    other.created_at.FromJsonString("2024-01-01T00:00:00Z")
    staged = v1.ModelVersion(
        id=f"{name}/3",
        model_id="m",
        version="1.0.0",
        stage=v1.ModelStage.MODEL_STAGE_STAGING,
        metrics={"accuracy": 0.85},
    )
    first_column = [row.split(" | ")[0] for row in section.splitlines() if row.startswith("| `")]
    conditions = [each for cell in first_column for each in re.findall(r"`([^`]+)`", cell)]
    conditions = [each for each in conditions if re.search(r"[=<>:]", each)]
    assert len(conditions) >= 10
    with ExchangeClient(shared.address) as client:
        for message in (matching, other, staged):
            client.publish(message)

        def found(condition: str) -> set[str]:
            whole = f'id = "{name}/*" AND ({condition})'
            listed = client.list_documents(v1.ModelVersion, filter=whole)
            return {each.record.id.rpartition("/")[2] for each in listed}

        for condition in conditions:
            wanted = {"1", "3"} if "staging" in condition or "accuracy" in condition else {"1"}
            if condition.startswith("metrics.accuracy > 0.9"):
                wanted = {"1"}
            if "!=" in condition:
                wanted = {"2", "3"}
            assert found(condition) == wanted, condition
        # In the order of the guide: a AND b OR c means a AND (b OR c).
        assert found("stage = archived AND version = 1.1.0 OR version = 1.2.1") == {"2"}
        [call] = re.findall(r"`(client\.list_documents\(.*\))`", section)
        in_python = [each.record.id for each in eval(call, {"client": client, "v1": v1})]
    [line] = re.findall(r"^crucible-ir (.*)$", section, re.MULTILINE)
    printed = run(*shlex.split(line), "--server", shared.address, "--format", "json")
    assert printed.status == 0, printed.err
    in_json = json.loads(printed.out)
    assert f"{name}/3" in json.dumps(in_json)
    assert f"{name}/1" not in json.dumps(in_json)
    assert [id_ for id_ in in_python if id_.startswith(name)] == [f"{name}/1", f"{name}/3"]
