"""Imports that go to an exchange, with a real server."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served
from interchange import toy

from crucible_ir import v1
from crucible_ir.exchange import ExchangeClient


@pytest.fixture(autouse=True)
def environment(shared: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.register(monkeypatch)
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", shared.address)
    monkeypatch.delenv("CRUCIBLE_IR_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_second_import_changes_nothing(client: ExchangeClient) -> None:
    names = [str(uuid.uuid4()) for _ in range(3)]
    Path("a.jsonl").write_text("".join(json.dumps({"id": name}) + "\n" for name in names))
    first = run("import-from", "toy", "a.jsonl", "--publish", "--report", "report.json")
    assert first.status == 0
    assert first.out == ""
    assert "published: 3 stored, 0 unchanged, 0 rejected" in first.err
    report = json.loads(Path("report.json").read_text())
    assert report["published"] == {"stored": 3, "unchanged": 0, "rejected": 0}
    second = run("import-from", "toy", "a.jsonl", "--publish")
    assert "published: 0 stored, 3 unchanged, 0 rejected" in second.err
    assert client.get(v1.TrainingRun, names[0]).record.revision == 1


def test_documents_are_written_and_published_at_once(client: ExchangeClient) -> None:
    name = str(uuid.uuid4())
    Path("a.json").write_text(json.dumps({"id": name}))
    result = run("import-from", "toy", "a.json", "--publish", "-o", "run.yaml")
    assert result.status == 0
    assert f"id: {name}" in Path("run.yaml").read_text()
    assert client.get(v1.TrainingRun, name).record.revision == 1


def test_documents_of_one_import_with_the_same_id_are_warned_of(client: ExchangeClient) -> None:
    name, other = str(uuid.uuid4()), str(uuid.uuid4())
    records = [{"id": name}, {"id": other}, {"id": name, "labels": ["again"]}, {"id": other}]
    Path("a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    result = run("import-from", "toy", "a.jsonl", "--publish")
    assert result.status == 0
    [warning] = [line for line in result.err.splitlines() if line.startswith("warning: ")]
    assert warning.startswith(f"warning: TrainingRun {name}: the source has several documents")
    assert client.get(v1.TrainingRun, name).record.revision == 2
    assert "warning" not in run("import-from", "toy", "a.jsonl", "--publish", "--quiet").err


def test_without_a_server_the_command_could_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", "127.0.0.1:1")
    Path("a.json").write_text('{"id": "r"}')
    result = run("import-from", "toy", "a.json", "--publish")
    assert result.status == 2
    assert "127.0.0.1:1" in result.err
