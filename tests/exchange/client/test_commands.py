"""The commands that call an exchange, with a real server."""

from __future__ import annotations

import json
import math
import uuid
from pathlib import Path
from typing import Any

import pytest
from cli.command_line import EXAMPLES, run
from exchange.client.served import Served

from crucible_ir import from_crucible_json, from_json, from_yaml, read_jsonl, v1
from crucible_ir.exchange import ExchangeClient
from crucible_ir.serialization.streams.delimited import read_delimited, write_delimited


@pytest.fixture(autouse=True)
def environment(shared: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", shared.address)
    monkeypatch.delenv("CRUCIBLE_IR_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


def write_version(name: str, id_: str, version: str = "1.0.0", **fields: Any) -> None:
    content = {"id": id_, "modelId": "gpt2", "version": version, **fields}
    Path(name).write_text(json.dumps(content))


def test_publish_prints_the_outcome_of_each_document() -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    write_version("a.json", first)
    write_version("b.json", second)
    result = run("publish", "a.json", "b.json")
    assert (result.status, result.err) == (0, "")
    assert [line.split(", etag")[0] for line in result.lines] == [
        f"a.json: created ModelVersion {first}, revision 1",
        f"b.json: created ModelVersion {second}, revision 1",
        "2 documents: 2 stored, 0 unchanged, 0 rejected",
    ]
    write_version("a.json", first, description="two")
    assert ": revised ModelVersion" in run("publish", "a.json").out
    assert ": unchanged ModelVersion" in run("publish", "a.json").out


def test_publish_prints_the_records_as_json() -> None:
    id_ = str(uuid.uuid4())
    write_version("a.json", id_)
    [document] = json.loads(run("publish", "--format", "json", "a.json").out)["documents"]
    assert (document["file"], document["verdict"]) == ("a.json", "created")
    assert (document["record"]["id"], document["record"]["revision"]) == (id_, 1)


def test_publish_stores_valid_documents_beside_invalid_ones(client: ExchangeClient) -> None:
    id_ = str(uuid.uuid4())
    write_version("good.json", id_)
    write_version("bad.json", "bad", version="1")
    result = run("publish", "bad.json", "good.json")
    assert result.status == 1
    assert "bad.json: 1:45: version: must be a semantic version such as 1.2.0" in result.err
    assert client.get(v1.ModelVersion, id_).record.revision == 1
    assert run("publish", "good.json", "missing.json").status == 2


def test_publish_of_a_folder_ends_with_a_summary() -> None:
    Path("folder").mkdir()
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    write_version("folder/a.json", first)
    write_version("folder/b.json", second)
    run("publish", "folder/a.json")
    write_version("folder/c.json", "bad", version="1")
    Path("folder/d.json").write_text("{")
    # Its id is missing, which only the exchange requires.
    Path("folder/e.yaml").write_text("$type: Prompt\nmessages: []\n")
    result = run("publish", "folder")
    assert result.status == 1
    assert result.lines[-1] == "5 documents: 1 stored, 1 unchanged, 3 rejected"
    report = json.loads(run("publish", "folder", "--format", "json").out)
    assert report["summary"] == {"stored": 0, "unchanged": 2, "rejected": 3, "unreadable": 0}
    assert run("publish", "folder", "missing.json").lines[-1] == (
        "6 documents: 0 stored, 2 unchanged, 3 rejected, 1 unreadable"
    )
    quiet = run("publish", "folder", "--quiet")
    assert (quiet.status, quiet.out) == (1, "")
    assert "folder/c.json: " in quiet.err
    valid = run("publish", "--validate-only", "folder/a.json", "folder/b.json")
    assert valid.lines[-1] == "2 documents: 0 valid, 2 unchanged, 0 rejected"


def test_quiet_prints_no_summary() -> None:
    name = str(uuid.uuid4())
    Path("events.jsonl").write_text(json.dumps({"id": name, "deploymentId": name}) + "\n")
    assert run("ingest", "--quiet", "events.jsonl").out == ""
    exported = run("export", "-q", "--deployment", name, "-o", "out.jsonl")
    assert (exported.status, exported.out) == (0, "")
    assert run("publish", "--quiet", "--id-from-name", EXAMPLES / "prompt.yaml").out == ""


def test_publish_skips_the_streams_of_a_folder_and_rejects_one_that_is_named() -> None:
    Path("folder").mkdir()
    write_version("folder/a.json", str(uuid.uuid4()))
    Path("folder/events.crucible.jsonl").write_text('{"id": "e"}\n')
    result = run("publish", "folder")
    assert result.status == 0
    assert "folder/events.crucible.jsonl: skipped: a stream of records" in result.err
    named = run("publish", "folder/events.crucible.jsonl")
    assert named.status == 2
    assert "is a stream of records; expected a single document" in named.err


def test_publish_reports_an_outdated_etag() -> None:
    id_ = str(uuid.uuid4())
    write_version("a.json", id_)
    assert run("publish", "--etag", "", "a.json").status == 0
    write_version("a.json", id_, "1.0.1")
    result = run("publish", "--etag", "outdated", "a.json")
    assert result.status == 1
    assert "etag" in result.err


def test_publish_can_take_a_missing_id_from_the_file_name() -> None:
    prompt = EXAMPLES / "prompt.yaml"
    assert run("publish", prompt).status == 1
    assert "Prompt prompt, revision" in run("publish", "--id-from-name", prompt).out


def test_publish_validate_only_stores_nothing() -> None:
    id_ = str(uuid.uuid4())
    write_version("a.json", id_)
    assert run("publish", "--validate-only", "a.json").out.endswith(", not stored\n")
    assert run("fetch", "ModelVersion", id_).status == 1


def test_fetch_writes_a_document_in_any_format(client: ExchangeClient) -> None:
    message = v1.ModelVersion(id=str(uuid.uuid4()), model_id="gpt2", version="1.0.0")
    client.publish(message)
    changed = v1.ModelVersion(id=message.id, model_id="gpt2", version="1.0.0", description="two")
    client.publish(changed)
    assert from_yaml(run("fetch", "ModelVersion", message.id).out, v1.ModelVersion) == changed
    assert run("fetch", "ModelVersion", message.id, "--revision", "1", "-o", "v.json").status == 0
    assert from_json(Path("v.json").read_text(), v1.ModelVersion) == message
    whole = run("fetch", "ModelVersion", message.id, "--document", "--to", "json")
    document = from_json(whole.out, v1.Document)
    assert (document.model_version, document.producer_name) == (changed, "crucible-ir")


def test_fetch_reports_a_document_that_does_not_exist() -> None:
    result = run("fetch", "ModelVersion", "never-published")
    assert (result.status, result.out) == (1, "")
    assert result.err == "crucible-ir: ModelVersion 'never-published' was never published\n"


def test_list_filters_by_fields() -> None:
    owner = uuid.uuid4().hex[:12]
    for number in range(3):
        write_version(f"{number}.json", f"{owner}-{number}", createdBy=owner)
    run("publish", "0.json", "1.json", "2.json")
    found = run("list", "ModelVersion", "--filter", f"created_by={owner}", "--format", "json")
    ids = [json.loads(line)["id"] for line in found.lines]
    assert ids == [f"{owner}-2", f"{owner}-1", f"{owner}-0"]
    table = run("list", "ModelVersion", "--filter", f"id={owner}-*", "--order", "id", "--limit", 2)
    assert [line.split("\t")[1] for line in table.lines] == [f"{owner}-0", f"{owner}-1"]
    history = run("list", "ModelVersion", "--revisions-of", f"{owner}-0", "--format", "json")
    assert [json.loads(line)["revision"] for line in history.lines] == [1]


def test_list_filters_by_a_condition_and_orders_by_a_number() -> None:
    owner = uuid.uuid4().hex[:12]
    for number in range(3):
        metrics = {"accuracy": 0.7 + number / 10}
        write_version(f"{number}.json", f"{owner}-{number}", createdBy=owner, metrics=metrics)
    run("publish", "0.json", "1.json", "2.json")
    condition = f"metrics.accuracy > 0.75 AND created_by = {owner}"
    listing = ("list", "ModelVersion", "--where", condition, "--format", "json")
    found = run(*listing, "--order-by", "metrics.accuracy desc")
    assert [json.loads(line)["id"] for line in found.lines] == [f"{owner}-2", f"{owner}-1"]
    wrong = run("list", "ModelVersion", "--where", "stage = prod AND")
    assert wrong.status == 2
    assert "column 17: found the end" in wrong.err
    assert run("list", "--where", condition).status == 2
    assert run(*listing, "--order", "id", "--order-by", "metrics.accuracy").status == 2


def test_list_shows_the_documents_that_a_release_reads() -> None:
    owner = uuid.uuid4().hex[:12]
    for name, role in (("old", "user"), ("new", "developer")):
        id_ = f"{owner}-{name}"
        content = {"request_id": id_, "messages": [{"role": role, "text": "a"}]}
        Path(f"{name}.yaml").write_text(json.dumps(content))
    run("publish", "old.yaml", "new.yaml")
    listing = ("list", "Prompt", "--filter", f"id={owner}*", "--format", "json")
    expected = {"0.2.0": ["old"], "0.3.0": ["new", "old"], "0.10.0": ["new", "old"]}
    for release, names in expected.items():
        found = run(*listing, "--for", release)
        assert [json.loads(line)["id"] for line in found.lines] == [f"{owner}-{n}" for n in names]
    assert len(run(*listing, "--for", "0.3.0", "--limit", 1).lines) == 1
    history = ("list", "Prompt", "--revisions-of", f"{owner}-new", "--format", "json")
    assert run(*history, "--for", "0.2.0").lines == []
    assert len(run(*history, "--for", "0.3.0").lines) == 1
    # Readers of binary keep a field that they do not know.
    write_version("tagged.json", f"{owner}-tagged", createdBy=owner, tags=["a"])
    run("publish", "tagged.json")
    versions = ("list", "ModelVersion", "--filter", f"created_by={owner}", "--format", "json")
    [line] = run(*versions, "--for", "0.2.0").lines
    assert json.loads(line)["requires"] == "0.2.0"
    assert run(*listing, "--for", "0.1.0").status == 2


def test_list_rejects_a_filter_by_an_unknown_field() -> None:
    result = run("list", "ModelVersion", "--filter", "bogus=1")
    assert result.status == 2
    assert "bogus" in result.err
    assert run("list", "--filter", "stage=x").status == 2
    assert run("list", "ModelVersion", "--filter", "stage").status == 2


def test_watch_ends_after_the_number_of_changes(client: ExchangeClient) -> None:
    prefix = str(uuid.uuid4())
    for number in range(3):
        client.publish(v1.ModelRef(id=f"{prefix}-{number}"))
    client.delete(v1.ModelRef, f"{prefix}-0")
    options = ("--after", 0, "--id-prefix", prefix, "--count", 4)
    lines = run("watch", "ModelRef", *options, "--format", "json").lines
    changes = [json.loads(line)["change"] for line in lines]
    assert [(each["id"], each["deleted"]) for each in changes] == [
        (f"{prefix}-0", False),
        (f"{prefix}-1", False),
        (f"{prefix}-2", False),
        (f"{prefix}-0", True),
    ]
    assert f"\tdeleted\tModelRef\t{prefix}-0\t2\t" in run("watch", *options).lines[3]


def test_trace_prints_the_documents_upstream(client: ExchangeClient) -> None:
    id_ = str(uuid.uuid4())
    client.publish(v1.DeploymentConfig(id=id_, model_version_id=f"{id_}-version"))
    lines = run("trace", "DeploymentConfig", id_).lines
    assert lines == [
        f"DeploymentConfig {id_}\tstored\t1\t",
        f"  ModelVersion {id_}-version\tmissing\t\tmodel_version_id",
    ]
    lineage = json.loads(run("trace", "DeploymentConfig", id_, "--format", "json").out)
    assert lineage["missing"] == [{"type": "ModelVersion", "id": f"{id_}-version"}]
    assert run("trace", "DeploymentConfig", f"{id_}-other").status == 1


def test_events_are_ingested_from_files_and_exported_to_one() -> None:
    name = str(uuid.uuid4())
    sent = [v1.FeedbackEvent(id=f"{name}/{number}", deployment_id=name) for number in range(50)]
    write_delimited("events.binpbs", sent[:40])
    Path("events.jsonl").write_text(
        "".join(json.dumps({"id": event.id, "deploymentId": name}) + "\n" for event in sent[40:])
    )
    result = run("ingest", "events.binpbs", "events.jsonl")
    assert (result.status, result.out) == (0, "50 accepted, 0 duplicates\n")
    again = json.loads(run("ingest", "events.jsonl", "--format", "json").out)
    assert (again["accepted"], again["duplicates"], again["refused"]) == (0, 10, 0)
    exported = run("export", "--deployment", name, "-o", "all.binpbs.gz")
    assert (exported.status, exported.out) == (0, "all.binpbs.gz: 50 events\n")
    assert list(read_delimited("all.binpbs.gz", v1.FeedbackEvent)) == sent
    since = run(
        "export", "--deployment", name, "-o", "since.jsonl", "--since", "2025-12-01t00:00:00z"
    )
    assert since.status == 0
    lines = run("export", "--deployment", name, "-o", "-", "--to", "jsonl").lines
    assert [json.loads(line)["id"] for line in lines] == [event.id for event in sent]


def test_events_in_crucible_json_lines_are_ingested_and_exported() -> None:
    name = str(uuid.uuid4())
    event = {"id": name, "deployment_id": name, "feedback_type": "rating", "feedback_value": 4}
    Path("events.crucible.jsonl").write_text(json.dumps(event) + "\n")
    assert run("ingest", "events.crucible.jsonl").out == "1 accepted, 0 duplicates\n"
    Path("log.jsonl").write_text(json.dumps(event) + "\n")
    rejected = run("ingest", "log.jsonl")
    assert rejected.status == 1
    assert "log.jsonl: 1 record has short names of enum values" in rejected.err
    assert run("ingest", "--from", "crucible-jsonl", "log.jsonl").out == "0 accepted, 1 duplicate\n"
    assert run("export", "--deployment", name, "-o", "all.crucible.jsonl").status == 0
    [exported] = read_jsonl("all.crucible.jsonl", v1.FeedbackEvent, dialect="crucible")
    assert exported == from_crucible_json(json.dumps(event), v1.FeedbackEvent)


@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_events_before_the_damage_of_a_compressed_stream_are_ingested(extension: str) -> None:
    name = str(uuid.uuid4())
    sent = [v1.FeedbackEvent(id=f"{name}/{number}", deployment_id=name) for number in range(50)]
    path = Path(f"events.binpbs.{extension}")
    write_delimited(path, sent)
    # The checksum of gzip is cut off; Zstandard's data is followed by the start of a frame.
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] if extension == "gz" else whole + whole[:4])
    result = run("ingest", path)
    assert (result.status, result.out) == (1, "50 accepted, 0 duplicates\n")
    assert f"{path}:record 50: the compressed data is truncated" in result.err


def test_unreadable_events_are_summed_up() -> None:
    lines = [json.dumps({"id": number}) for number in range(40)]
    Path("events.jsonl").write_text("\n".join([*lines, json.dumps({"id": str(uuid.uuid4())})]))
    result = run("ingest", "events.jsonl")
    assert (result.status, result.out) == (1, "1 accepted, 0 duplicates\n")
    [line] = result.err.splitlines()
    assert line.startswith("crucible-ir: events.jsonl: id: expected a string, got the number 0")
    assert line.endswith("; 40 times: record 0 at 1:8; record 1 at 2:8; record 2 at 3:8; ...")


def test_rejected_events_are_summed_up() -> None:
    name = str(uuid.uuid4())
    lines = [
        json.dumps({"id": f"{name}-{number}", "latencyMs": -number}) for number in range(1, 41)
    ]
    Path("events.jsonl").write_text("\n".join(lines))
    result = run("ingest", "events.jsonl")
    assert (result.status, result.out) == (1, "0 accepted, 0 duplicates, 40 rejected\n")
    [line] = result.err.splitlines()
    places = ", ".join(f"event {index} ({name}-{index + 1})" for index in range(3))
    assert line.startswith(f"crucible-ir: {places}, ...: ")
    assert line.endswith(" (40 times)")


def test_rejected_events_are_reported_and_the_others_stored() -> None:
    name = str(uuid.uuid4())
    good, bad = {"id": name, "latencyMs": 1}, {"id": f"{name}-bad", "latencyMs": -1}
    lines = [json.dumps(bad), "no event", json.dumps(good)]
    Path("events.jsonl").write_text("\n".join(lines) + "\n")
    result = run("ingest", "events.jsonl")
    assert (result.status, result.out) == (1, "1 accepted, 0 duplicates, 1 rejected\n")
    assert f"event 0 ({name}-bad): " in result.err
    assert "latency_ms" in result.err
    assert "events.jsonl:2:" in result.err


def test_summaries_are_printed_as_a_table_or_json() -> None:
    name = str(uuid.uuid4())
    values = [("thumbs", "up"), ("thumbs", "down"), ("rating", 4), ("rating", 5), ("label", "rude")]
    lines = [
        json.dumps(
            {
                **{"id": f"{name}/{number}", "deployment_id": name, "feedback_type": type_},
                **{"feedback_value": value, "latency_ms": 10 * number, "model_version": "v1"},
                "timestamp": f"2025-12-0{1 + number % 2}T00:30:00Z",
            }
        )
        for number, (type_, value) in enumerate(values)
    ]
    Path("events.crucible.jsonl").write_text("\n".join(lines))
    assert run("ingest", "-q", "events.crucible.jsonl").status == 0
    found = run("summarize", "--deployment", name)
    assert (found.status, found.lines) == (
        0,
        [
            "label\t1\t40\t40\t\t\t\trude 1",
            "rating\t2\t20\t30\t\t4.5\t0.5\t",
            "thumbs\t2\t0\t10\t50.0%\t\t\t",
        ],
    )
    by = ("--bucket", "1d", "--by", "model_version", "--type", "thumbs")
    first, second = run("summarize", "--deployment", name, *by).lines
    assert first == "2025-12-01 00:00:00Z\tthumbs\tv1\t1\t0\t0\t100.0%\t\t\t"
    assert second.startswith("2025-12-02 00:00:00Z\tthumbs\tv1\t1\t10\t10\t0.0%")
    lines = run("summarize", "--deployment", name, "--format", "json", "--bucket", "7d").lines
    label, rating, thumbs = map(json.loads, lines)
    assert label["labels"] == [{"label": "rude", "count": 1}]
    assert rating["numbers"]["histogram"] == [{"value": 4, "count": 1}, {"value": 5, "count": 1}]
    assert thumbs["thumbs"] == {"up": 1, "down": 1, "share_up": 0.5}
    assert thumbs["start_time"] == "2025-11-27T00:00:00Z"
    refused = run("summarize", "--bucket", "400d")
    assert (refused.status, "bucket" in refused.err) == (2, True)
    for options in (("--deployment", name), ("--deployment", name, *by, "--format", "json")):
        assert (
            run("summarize", *options, "events.crucible.jsonl").out
            == run("summarize", *options).out
        )


def test_export_writes_stream_formats_only() -> None:
    assert run("export", "-o", "events.json").status == 2
    assert run("export", "-o", "-").status == 2
    assert run("export", "-o", "e.jsonl", "--since", "yesterday").status == 2
    assert not Path("events.json").exists()


def test_an_unreachable_server_is_named() -> None:
    # A name that never resolves: see RFC 2606.
    result = run("list", "--server", "exchange.invalid:7551", "--timeout", "0.2")
    assert result.status == 2
    reason = "cannot connect to exchange.invalid:7551: the name cannot be resolved"
    assert result.err == f"crucible-ir: {reason}\n"


def test_a_token_for_another_machine_requires_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_TOKEN", "secret")
    result = run("list", "--server", "exchange.example.com:7551")
    assert result.status == 2
    assert "in plain text: connect with TLS" in result.err
    assert "secret" not in result.err


def test_an_unreadable_token_file_is_named() -> None:
    result = run("list", "--token-file", "missing")
    assert (result.status, result.out) == (2, "")
    assert "missing: the token cannot be read: no such file" in result.err


def tracked(client: ExchangeClient, count: int) -> str:
    run_id = str(uuid.uuid4())
    config = v1.TrainingConfig(
        id="c1", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    )
    client.publish(v1.TrainingRun(id=run_id, config=config))
    history = [v1.MetricsSnapshot(step=step, values={"loss": step / 4}) for step in range(count)]
    history[2].values["val"] = math.nan
    client.append_metrics(run_id, history, status="running")
    return run_id


def test_metrics_of_a_run(
    client: ExchangeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_id = tracked(client, 8)
    text = run("metrics", run_id)
    assert text.status == 0
    assert [line.split("\t") for line in text.lines] == [
        ["loss", "8", "1.75", "0", "1.75", "▁▂▃▄▅▆▇█"],
        ["val", "1", "nan", "nan", "nan", "!"],
    ]
    assert text.err == f"{run_id}: 8 snapshots, step 7, running\n"
    table = run("metrics", run_id, "--format", "csv", "--first", "2").lines
    assert table[0] == "position,step,epoch,time,loss,val"
    assert table[1:3] == ["2,2,,,0.5,nan", "3,3,,,0.75,"]
    found = json.loads(run("metrics", run_id, "--keys", "loss", "--format", "json").out)
    assert (found["count"], found["record"]["snapshot_count"]) == (8, 8)
    assert found["run"]["status"] == "TRAINING_STATUS_RUNNING"
    assert found["points"][2] == {"position": 2, "snapshot": {"step": 2, "values": {"loss": 0.5}}}
    written = run("metrics", run_id, tracked(client, 3), "--keys", "val", "-o", "val.csv")
    assert (written.status, written.out) == (0, "val.csv: 2 values\n")
    assert Path("val.csv").read_text().splitlines()[1] == f"{run_id},2,2,,,val,nan"
    few = run("metrics", run_id, "--max-points", "5", "--format", "csv", "--keys", "loss").lines
    assert [line.split(",")[0] for line in few[1:]] == ["0", "7"]


def test_metrics_of_no_run(client: ExchangeClient) -> None:
    missing = run("metrics", "no-such-run")
    assert (missing.status, "was never published" in missing.err) == (1, True)
    other = run("metrics", tracked(client, 3), "--keys", "other")
    assert (other.status, 'has no metric "other"; without --keys' in other.err) == (1, True)


def test_a_run_that_was_appended_to_is_fetched(client: ExchangeClient) -> None:
    fetched = run("fetch", "TrainingRun", tracked(client, 3), "--to", "json")
    message = from_json(fetched.out, v1.TrainingRun)
    assert [each.step for each in message.metrics_history] == [0, 1, 2]
