"""The output of the exchange commands: tables, escaped lines, and progress."""

from __future__ import annotations

import io
import json
import re
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli.command_line import on_a_terminal, run
from exchange.client.served import Served
from rich.cells import cell_len

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


def test_a_list_is_a_table_with_a_row_for_each_document(client: ExchangeClient) -> None:
    name = uuid.uuid4().hex[:8]
    records = [client.publish(v1.ModelRef(id=f"{name}-{n}")).record for n in range(3)]
    client.delete(v1.ModelRef, f"{name}-1")
    result = run("list", "ModelRef", "--filter", f"id={name}*", "--order", "id", "--deleted")
    # In a pipe, each document is one line, whole and without headings.
    lines = [line.split("\t") for line in result.lines]
    assert [line[1:3] for line in lines] == [
        [f"{name}-0", "1"],
        [f"{name}-1", "2"],
        [f"{name}-2", "1"],
    ]
    for line, record in ((lines[0], records[0]), (lines[2], records[2])):
        updated = f"{record.update_time:%Y-%m-%d %H:%M:%S}Z"
        assert line == ["ModelRef", record.id, "1", updated, record.etag, ""]
    assert result.err == "3 documents\n"
    empty = run("list", "ModelRef", "--filter", f"id={name}-none")
    assert (empty.out, empty.err) == ("", "0 documents\n")


def test_a_lineage_is_a_table_indented_by_distance(client: ExchangeClient) -> None:
    name = uuid.uuid4().hex
    client.publish(v1.ModelVersion(id=f"{name}-v", model_id=f"{name}-m", version="1.0.0"))
    client.publish(v1.DeploymentConfig(id=f"{name}-d", model_version_id=f"{name}-v"))
    expected = [
        [f"DeploymentConfig {name}-d", "stored", "1", ""],
        [f"  ModelVersion {name}-v", "stored", "1", "model_version_id"],
        [f"    ModelRef {name}-m", "missing", "", "model_id"],
    ]
    lines = run("trace", "DeploymentConfig", f"{name}-d").lines
    assert [line.split("\t") for line in lines] == expected
    shown = on_a_terminal("trace", "DeploymentConfig", f"{name}-d", COLUMNS="100", NO_COLOR="1")
    heading, *lines = shown.splitlines()
    assert heading.split() == ["document", "state", "revision", "through"]
    assert [re.split(r"  +", line.strip())[0] for line in lines] == [
        values[0].strip() for values in expected
    ]
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4]


def test_an_ambiguous_version_is_shown_with_its_candidates(client: ExchangeClient) -> None:
    name = uuid.uuid4().hex
    for id_ in ("a", "b"):
        client.publish(v1.ModelVersion(id=f"{name}-{id_}", model_id=name, version="0.9.0"))
    child = v1.ModelVersion(id=f"{name}-c", model_id=name, version="1.0.0", parent_version="0.9.0")
    client.publish(child)
    assert [line.split("\t") for line in run("trace", "ModelVersion", child.id).lines] == [
        [f"ModelVersion {name}-c", "stored", "1", ""],
        [f"  ModelRef {name}", "missing", "", "model_id"],
        ["  ModelVersion 0.9.0", "ambiguous", "", "parent_version"],
        [f"    ModelVersion {name}-a", "candidate", "", ""],
        [f"    ModelVersion {name}-b", "candidate", "", ""],
    ]
    shown = json.loads(run("trace", "ModelVersion", child.id, "--format", "json").out)
    [node] = [node for node in shown["nodes"] if node["state"] == "ambiguous"]
    assert [each["id"] for each in node["candidates"]] == [f"{name}-a", f"{name}-b"]


#: Ids as people have them: the whole of one is longer than a terminal.
LONG_IDS = [
    "experiments/2025-12/meta-llama/Llama-3.1-8B/sl_basic_lora_finetune_mmlu_5shot_seed_42_retry_03",
    "模型/注册表/大型语言模型/版本三/微调/长度测试/重复实验/第一百二十三次/最终版本/已审核/已发布/生产环境",
    "short",
]


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 400])
def test_a_list_fits_the_terminal(client: ExchangeClient, columns: int) -> None:
    name = uuid.uuid4().hex[:8]
    for long in LONG_IDS:
        client.publish(v1.ModelRef(id=f"{name}/{long}"))
    command = ("list", "ModelRef", "--filter", f"id={name}*", "--order", "id")
    shown = on_a_terminal(*command, COLUMNS=str(columns), NO_COLOR="1")
    heading, *lines, count = shown.splitlines()
    assert heading.split()[:2] == ["type", "id"]
    assert count == "3 documents"
    assert len(lines) == len(LONG_IDS)
    for line, long in zip(lines, sorted(LONG_IDS), strict=True):
        assert cell_len(line) <= columns
        # Both ends of the id are there, or all of it.
        id_ = line.split()[1]
        whole = f"{name}/{long}"
        head, ellipsis, tail = id_.partition("…")
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert ellipsis or id_ == whole
        assert len(head) >= 3
    assert (LONG_IDS[0] in shown) is (columns == 400)
    piped = run(*command)
    assert sorted(line.split("\t")[1] for line in piped.lines) == sorted(
        f"{name}/{long}" for long in LONG_IDS
    )


def test_a_change_is_one_line_on_a_terminal_and_in_a_pipe(client: ExchangeClient) -> None:
    prefix = uuid.uuid4().hex[:6]
    long = f"{prefix}/{LONG_IDS[0]}"
    record = client.publish(v1.ModelRef(id=long)).record
    command = ("watch", "--after", "0", "--id-prefix", prefix, "--count", "1")
    shown = on_a_terminal(*command, COLUMNS="100", NO_COLOR="1")
    assert shown.count("\n") == 1
    assert len(shown) <= 101
    assert shown.startswith(f"{record.sequence}: published ModelRef {prefix}/")
    assert "…" in shown
    updated = f"{record.update_time:%Y-%m-%d %H:%M:%S}Z"
    assert run(*command).lines == [
        "\t".join([str(record.sequence), "published", "ModelRef", long, "1", updated, ""])
    ]


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
    assert f"\tpublished\tDeploymentConfig\t{shown}\t1\t" in watch.out
    traced = run("trace", "DeploymentConfig", full)
    assert f"DeploymentConfig {shown}" in traced.out
    assert f"ModelVersion {shown}" in traced.out
    client.delete(v1.DeploymentConfig, full)
    gone = run("fetch", "DeploymentConfig", full)
    assert gone.status == 1
    for text in (published.out, listed.out, watch.out, traced.out, gone.err):
        assert not set(text) & {"\x1b", "\x00", "\u202e"}
    # A tab of an id would be one more column.
    for result, tabs in ((published, 0), (listed, 5), (watch, 6), (traced, 3)):
        assert {line.count("\t") for line in result.lines} == {tabs}
