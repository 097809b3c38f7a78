"""The output of the exchange commands: tables, escaped lines, and progress."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli.command_line import run
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.cli import progress
from crucible_ir.exchange import ExchangeClient
from crucible_ir.serialization.streams.delimited import write_delimited


@pytest.fixture(autouse=True)
def environment(shared: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", shared.address)
    monkeypatch.delenv("CRUCIBLE_IR_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


class Terminal(io.StringIO):
    """A terminal that records its output."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on which progress is shown at once."""
    terminal = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=terminal))
    monkeypatch.setattr(progress, "_DELAY", -1.0)
    monkeypatch.setattr(progress, "_INTERVAL", -1.0)
    return terminal


def frames(terminal: Terminal) -> list[str]:
    """Return the successive contents of the terminal's line."""
    return terminal.getvalue().split("\r\x1b[2K")


def test_publish_shows_progress_and_clears_it(terminal: Terminal) -> None:
    name = uuid.uuid4().hex
    for number in range(12):
        content = {"id": f"{name}-{number}", "modelId": "m", "version": "1.0.0"}
        Path(f"{number:02}.json").write_text(json.dumps(content))
    result = run("publish", *(f"{number:02}.json" for number in range(12)))
    assert (result.status, len(result.lines)) == (0, 13)
    assert result.lines[-1] == "12 documents: 12 stored, 0 unchanged, 0 rejected"
    shown = frames(terminal)
    assert shown[0].endswith("] 1/12, " + shown[0].rpartition(" ")[2])
    assert [frame.partition("] ")[2].partition("/")[0] for frame in shown if frame] == [
        str(number) for number in range(1, 13)
    ]
    assert shown[-1] == ""


def test_ingest_and_export_show_the_number_of_records(terminal: Terminal) -> None:
    name = uuid.uuid4().hex
    sent = [v1.FeedbackEvent(id=f"{name}/{n}", deployment_id=name) for n in range(640)]
    write_delimited("events.binpbs", sent)
    assert run("ingest", "events.binpbs").status == 0
    shown = [frame for frame in frames(terminal) if frame]
    # The clock is read at every sixty-fourth record.
    counts = [int(frame.partition("%  ")[2].partition(" records")[0]) for frame in shown]
    assert counts == list(range(64, 641, 64))
    parts = [int(frame.partition("%")[0]) for frame in shown]
    assert parts == sorted(parts)
    assert parts[-1] == 100
    assert frames(terminal)[-1] == ""
    terminal.seek(0)
    terminal.truncate()
    exported = run("export", "--deployment", name, "-o", "out.binpbs")
    assert exported.out == "out.binpbs: 640 events\n"
    shown = [frame for frame in frames(terminal) if frame]
    assert [int(frame.partition(" records")[0]) for frame in shown] == counts
    assert frames(terminal)[-1] == ""


def test_no_progress_is_shown_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_DELAY", -1.0)
    events = [v1.FeedbackEvent(id=f"{uuid.uuid4()}") for _ in range(200)]
    write_delimited("events.binpbs", events)
    assert run("ingest", "events.binpbs").err == ""


def cells(line: str) -> list[str]:
    """Return the cells of a table row, which are at least two spaces apart."""
    return [cell for cell in line.strip().split("  ") if cell]


def test_a_list_is_a_table_with_a_row_for_each_document(client: ExchangeClient) -> None:
    name = uuid.uuid4().hex[:8]
    records = [client.publish(v1.ModelRef(id=f"{name}-{n}")).record for n in range(3)]
    client.delete(v1.ModelRef, f"{name}-1")
    result = run("list", "ModelRef", "--filter", f"id={name}*", "--order", "id", "--deleted")
    header, *lines = result.lines
    assert header.split() == ["type", "id", "revision", "updated", "etag"]
    assert [line.split()[1:3] for line in lines] == [
        [f"{name}-0", "1"],
        [f"{name}-1", "2"],
        [f"{name}-2", "1"],
    ]
    for line, record in ((lines[0], records[0]), (lines[2], records[2])):
        assert line.split()[0] == "ModelRef"
        assert line.split()[-1] == record.etag
        assert f"{record.update_time:%Y-%m-%d %H:%M:%S}Z" in line
    assert result.err == "3 documents\n"
    empty = run("list", "ModelRef", "--filter", f"id={name}-none")
    assert (empty.out, empty.err) == ("", "0 documents\n")


def test_a_lineage_is_a_table_indented_by_distance(client: ExchangeClient) -> None:
    name = uuid.uuid4().hex
    client.publish(v1.ModelVersion(id=f"{name}-v", model_id=f"{name}-m", version="1.0.0"))
    client.publish(v1.DeploymentConfig(id=f"{name}-d", model_version_id=f"{name}-v"))
    lines = run("trace", "DeploymentConfig", f"{name}-d").lines
    assert lines[0].split() == ["document", "state", "revision", "through"]
    assert [len(line) - len(line.lstrip()) for line in lines[1:]] == [
        len(lines[1]) - len(lines[1].lstrip()) + 2 * depth for depth in range(3)
    ]
    assert [cells(line)[0] for line in lines[1:]] == [
        f"DeploymentConfig {name}-d",
        f"ModelVersion {name}-v",
        f"ModelRef {name}-m",
    ]
    assert lines[3].split()[2:] == ["missing", "model_id"]


#: Ids with special characters for a terminal or a table, and their escaped output.
SHOWN = {
    "[b]x[/none]": "[b]x[/none]",
    ":smile:": ":smile:",
    "\x1b[31mred": "\\x1b[31mred",
    "a\nb\tc\x00": "a\\nb\\tc\\x00",
    "\u202egnp": "\\u202egnp",
}


@pytest.mark.parametrize("id_", SHOWN)
def test_every_command_escapes_ids(client: ExchangeClient, id_: str) -> None:
    # Short, so that the table does not wrap it.
    prefix = uuid.uuid4().hex[:6]
    full, shown = f"{prefix}{id_}", f"{prefix}{SHOWN[id_]}"
    Path("m.json").write_text(json.dumps({"id": full, "modelVersionId": full}), encoding="utf-8")
    published = run("publish", "--type", "DeploymentConfig", "m.json")
    assert f"m.json: created DeploymentConfig {shown}, revision 1" in published.out
    client.publish(v1.ModelRef(id=full))
    listed = run("list", "ModelRef", "--filter", f"id={prefix}*")
    assert shown in listed.out
    watch = run("watch", "--after", 0, "--id-prefix", prefix, "--count", 1)
    assert f": published DeploymentConfig {shown}, revision 1 at " in watch.out
    traced = run("trace", "DeploymentConfig", full)
    assert f"DeploymentConfig {shown}" in traced.out
    assert f"ModelVersion {shown}" in traced.out
    client.delete(v1.DeploymentConfig, full)
    gone = run("fetch", "DeploymentConfig", full)
    assert gone.status == 1
    for text in (published.out, listed.out, watch.out, traced.out, gone.err):
        assert not set(text) & {"\x1b", "\x00", "\u202e", "\t"}
