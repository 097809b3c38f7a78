"""Exports into folders of tables: each event once, however often they run and are killed."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from cli.command_line import Result, run
from exchange.client.served import Served

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.bulk.exports import open_export
from crucible_ir.bulk.jobs.folder import JobFolder
from crucible_ir.bulk.jobs.plan import JobError, JobOptions
from crucible_ir.exchange import EventFilter, ExchangeClient
from crucible_ir.exchange import v1 as exchange_v1

Events = list[v1.FeedbackEvent]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("exchange"))
    yield served
    served.kill()


@pytest.fixture
def client(
    exchange: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExchangeClient]:
    """A client; commands use its server, and a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", exchange.address)
    with ExchangeClient(exchange.address) as client:
        yield client


def events(deployment: str, count: int, start: int = 0) -> Events:
    return [
        ir.new_feedback_event(
            id=f"{deployment}/{number}",
            deployment_id=deployment,
            feedback_type="rating",
            feedback_value=number % 5,
            metadata={"a": {"b": [number]}},
        )
        for number in range(start, start + count)
    ]


def export(deployment: str, *arguments: str) -> Result:
    fixed = ("export", "--to", "parquet", "-o", "tables", "--deployment", deployment)
    return run(*fixed, *arguments)


def manifest(folder: str = "tables") -> Any:
    return json.loads(Path(folder, "_manifest.json").read_bytes())


def exported(folder: str = "tables") -> Events:
    """Return what other programs see in the folder."""
    return list(ir.from_arrow(ds.dataset(folder).to_table(), v1.FeedbackEvent))


def test_a_second_export_adds_only_what_is_new(client: ExchangeClient) -> None:
    sent = events("new", 1300)
    client.ingest(sent)
    first = export("new", "--part-bytes", "20000")
    assert (first.status, exported()) == (0, sent)
    parts = sorted(Path("tables").glob("part-*"))
    assert first.lines == [f"tables: 1300 new, 1300 events in {len(parts)} parts"]
    before = {path: path.stat().st_mtime_ns for path in parts}
    written = Path("tables/_manifest.json").read_bytes()
    again = export("new", "--part-bytes", "20000")
    assert (again.status, again.lines) == (
        0,
        [f"tables: up to date: 1300 events in {len(parts)} parts"],
    )
    assert Path("tables/_manifest.json").read_bytes() == written
    sent += events("new", 7, 1300)
    client.ingest(sent[1300:])
    assert export("new", "--part-bytes", "20000").status == 0
    assert exported() == sent
    assert {path: path.stat().st_mtime_ns for path in parts} == before
    found = manifest()
    names = [part["name"] for part in found["parts"]]
    assert names == [f"part-00000-{number:05d}.parquet" for number in range(len(parts) + 1)]
    assert sorted(path.name for path in Path("tables").iterdir()) == ["_manifest.json", *names]
    [source] = found["inputs"]
    assert (source["name"], source["records"], source["bad"]) == ("exchange", 1307, 0)
    assert sum(part["rows"] for part in found["parts"]) == 1307
    ranges = [part["range"] for part in found["parts"]]
    assert [0, *(end for _, end in ranges)] == [*(start for start, _ in ranges), source["bytes"]]
    # The cursor is one of the exchange.
    cursor = found["export"]["cursor"]
    wanted = EventFilter(deployment_id="new")
    assert list(client.export_batches(wanted, cursor=cursor)) == []


def test_an_export_without_events_has_a_part_without_rows(client: ExchangeClient) -> None:
    assert export("none").lines == ["tables: up to date: 0 events in 1 part"]
    assert pq.read_table("tables/part-00000-00000.parquet").schema.names[:2] == [
        "id",
        "deployment_id",
    ]
    sent = events("none", 3)
    client.ingest(sent)
    assert export("none").lines == ["tables: 3 new, 3 events in 2 parts"]
    assert exported() == sent


def test_an_export_of_other_events_is_an_error(client: ExchangeClient, exchange: Served) -> None:
    client.ingest([*events("one", 2), *events("two", 2)])
    assert export("one", "--type", "rating").status == 0
    other = export("two", "--type", "rating", "--type", "rating")
    assert other.status == 2
    assert "deployment_id was one and is two" in other.err
    assert "raw was False and is True" in export("one", "--type", "rating", "--raw").err
    assert "feedback_types was ['rating'] and is unset" in export("one").err
    replaced = export("two", "--force")
    assert (replaced.status, exported()) == (0, events("two", 2))
    changed = manifest()
    changed["export"]["cursor"] = "x" * 40
    Path("tables/_manifest.json").write_text(json.dumps(changed))
    rejected = export("two")
    assert rejected.status == 2
    assert "is not a token of this exchange" in rejected.err
    assert "--force to export everything again" in rejected.err
    Path("tables/part-00000-00000.parquet").write_bytes(b"")
    assert "is missing or has changed since it was written" in export("two").err
    ir.write_jsonl("one.jsonl", events("one", 1))
    converted = ("convert", "--to", "parquet", "--type", "FeedbackEvent", "one.jsonl", "converted")
    assert run(*converted).status == 0
    into_converted = run("export", "--to", "parquet", "-o", "converted")
    assert (into_converted.status, "of another command or release" in into_converted.err) == (
        2,
        True,
    )
    assert run(*converted[:-1], "tables").status == 2
    with JobFolder("tables").locked():
        assert "another run writes to this folder" in export("two").err
    for broken in ("{", "[]", "{}", '{"inputs": [1], "parts": [1]}'):
        Path("tables/_manifest.json").write_text(broken)
        assert "of another command or release" in export("two").err
    Path("file").touch()
    unusable = run("export", "--to", "parquet", "-o", "file")
    assert (unusable.status, unusable.err.startswith("crucible-ir: file: ")) == (2, True)
    Path("other").mkdir()
    Path("other/notes.txt").touch()
    assert "files that are not of a run" in run("export", "--to", "parquet", "-o", "other").err
    assert run("export", "--to", "parquet", "-o", "one.parquet").status == 2
    assert run("export", "-o", "one.jsonl", "--raw").status == 2


def test_events_that_a_table_cannot_have_are_kept_beside_it(client: ExchangeClient) -> None:
    client.ingest(sent := events("odd", 5))
    for number in range(2):
        odd = v1.FeedbackEvent(id=f"odd/nan{number}", deployment_id="odd")
        odd.metadata["x"] = float("nan")
        client.ingest([odd, *events("odd", 5, 5 * number + 5)])
        result = export("odd")
        sent += events("odd", 5, 5 * number + 5)
        assert result.status == 1
        assert f"{number + 1} bad, of which 1 new: see _violations.parquet" in result.out
        again = export("odd")
        assert (again.status, f"{number + 1} bad, of which 0 new" in again.out) == (0, True)
    assert exported() == sent
    rows = pq.read_table("tables/_violations.parquet").to_pylist()
    assert [(row["record"], row["rule_id"]) for row in rows] == [
        (5, "table.value"),
        (11, "table.value"),
    ]
    bad = list(ir.read_delimited("tables/_quarantine.binpbs", v1.FeedbackEvent))
    assert [event.id for event in bad] == ["odd/nan0", "odd/nan1"]
    assert manifest()["violations"] == {"table.value": 2}


#: Exports with a part for every 25 events, of which a command makes one.
EXPORT = """
import sys
from crucible_ir.bulk.exports import open_export
from crucible_ir.bulk.jobs.plan import JobOptions
from crucible_ir.exchange import EventFilter, ExchangeClient

wanted = EventFilter(deployment_id="killed")
options = JobOptions("FeedbackEvent", part_bytes=1)
with ExchangeClient(sys.argv[1]) as client:
    with open_export("tables", wanted.export(None, ""), options) as export:
        export.write(client.export_batches(wanted, batch_size=25, cursor=export.cursor))
        export.finish()
"""


def test_exports_that_are_killed_have_each_event_once(
    client: ExchangeClient, exchange: Served
) -> None:
    chance = random.Random(3)
    sent = events("killed", 1000)
    client.ingest(sent)
    command = [sys.executable, "-c", EXPORT, exchange.address]
    for _ in range(2):
        known = len(list(Path().glob("tables/part-*")))
        process = subprocess.Popen(command)
        deadline = time.monotonic() + 60
        while len(list(Path().glob("tables/part-*"))) < known + chance.randrange(1, 9):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.kill()
        assert process.wait(timeout=30) == -signal.SIGKILL
        more = events("killed", 100, len(sent))
        client.ingest(more)
        sent += more
    assert not Path("tables/_manifest.json").exists()
    # As if it was killed after it wrote a part, and before it recorded that.
    stray = Path("tables/part-00000-09999.parquet")
    shutil.copy(Path("tables/part-00000-00000.parquet"), stray)
    subprocess.run(command, check=True, timeout=60)
    assert exported() == sent
    found = manifest()
    assert found["inputs"][0]["records"] == len(sent)
    assert sorted(part["name"] for part in found["parts"]) == sorted(
        path.name for path in Path("tables").glob("part-*")
    )


@pytest.mark.parametrize("point", ["_manifest.json", "_quarantine.binpbs", "_violations.parquet"])
def test_an_export_killed_at_its_end_can_be_repeated(client: ExchangeClient, point: str) -> None:
    name = f"end{point}"
    odd = v1.FeedbackEvent(id=f"{name}/nan", deployment_id=name)
    odd.metadata["x"] = float("nan")
    client.ingest([*events(name, 3), odd])
    assert export(name).status == 1
    late = v1.FeedbackEvent(id=f"{name}/late", deployment_id=name)
    late.metadata["x"] = float("inf")
    client.ingest([*events(name, 3, 3), late])
    copied = shutil.copytree("tables", "before")
    assert export(name).status == 1
    # As if it was killed after it wrote all files up to one, and before the next.
    complete = {path.name: path.read_bytes() for path in Path("tables").iterdir()}
    order = ["_violations.parquet", "_quarantine.binpbs", "_manifest.json"]
    shutil.rmtree("tables")
    shutil.copytree(copied, "tables")
    for done in order[: order.index(point)]:
        Path("tables", done).write_bytes(complete[done])
    assert export(name).status == 1
    assert exported() == events(name, 6)
    rows = pq.read_table("tables/_violations.parquet").to_pylist()
    assert [row["record"] for row in rows] == [3, 7]
    assert len(list(ir.read_delimited("tables/_quarantine.binpbs", "FeedbackEvent"))) == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("parts",), []),
        (("parts", 0, "name"), "../../part-00000-00000.parquet"),
        (("inputs", 0, "records"), "x"),
        (("inputs", 0, "good"), -1),
        (("export", "cursor"), None),
        (("export", "quarantined_bytes"), -5),
        (("violations",), [1]),
    ],
)
def test_an_edited_manifest_never_loses_events(
    tmp_path: Path, path: tuple[Any, ...], value: object
) -> None:
    def export(force: bool = False) -> int:
        options = JobOptions("FeedbackEvent")
        with open_export(tmp_path, exchange_v1.ExportRequest(), options, force=force) as opened:
            opened.write([] if opened.cursor else [(events("a", 3), "1")])
            return opened.finish().records

    assert export() == 3
    manifest = at = json.loads((tmp_path / "_manifest.json").read_bytes())
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    (tmp_path / "_manifest.json").write_text(json.dumps(manifest))
    before = (tmp_path / "part-00000-00000.parquet").read_bytes()
    with pytest.raises(JobError, match=r"has the result of another command .* --force"):
        export()
    assert (tmp_path / "part-00000-00000.parquet").read_bytes() == before
    assert export(force=True) == 3
