"""Records of streams become good rows and violations, whatever is in them."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.bulk.kernel import RECORDS, VIOLATIONS, check_records
from crucible_ir.validation.explain import explain

UNKNOWN = b"\xf8\xff\x07\x05"


def run(name: str, *, seconds: int = 1_700_000_000) -> v1.TrainingRun:
    found = v1.TrainingRun(id=name)
    found.metrics_history.add(step=1).time.seconds = seconds
    return found


def records(data: Sequence[bytes | None], **columns: Any) -> pa.RecordBatch:
    return pa.record_batch({"record": list(range(len(data))), "data": data} | columns)


def stages(*names: str) -> list[bytes]:
    return [v1.StageDef(name=name).SerializeToString() for name in names]


def places(violations: pa.RecordBatch) -> list[tuple[int, str, str]]:
    return [(row["record"], row["path"], row["rule_id"]) for row in violations.to_pylist()]


def test_good_records_have_the_complete_schema_in_their_order() -> None:
    data = [*stages("a", "", "b"), b"\xff", *stages("c")]
    good, violations = check_records(records(data), "StageDef")
    expected = ir.to_arrow([v1.StageDef(name=n) for n in "abc"], "StageDef", complete=True)
    assert pa.Table.from_batches([good]).equals(expected, check_metadata=True)
    assert violations.schema.equals(VIOLATIONS)
    assert places(violations) == [(1, "name", "required"), (3, "", "decode")]


def test_violations_are_those_of_each_message() -> None:
    bad = v1.FeedbackEvent(latency_ms=-1)
    _, violations = check_records(records([bad.SerializeToString()]), v1.FeedbackEvent)
    expected = ir.violations(bad)
    assert len(expected) == 2
    assert [
        (row["path"], row["rule_id"], row["message"], row["value"])
        for row in violations.to_pylist()
    ] == [
        (each.path, each.rule_id, each.message, None if each.value is None else "-1")
        for each in expected
    ]


def test_places_are_copied_to_the_violations() -> None:
    batch = records(
        [b"{}", b'{"name": "a"}', b'{"name": 1, "x": 2}'],
        source=["f.jsonl"] * 3,
        line=[1, 3, 4],
        offset=[0, 4, 18],
    )
    assert set(batch.schema.names) == set(RECORDS.names)
    _, violations = check_records(batch, "StageDef", format="jsonl")
    rows = violations.select(["source", "record", "line", "offset", "path"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("f.jsonl", 0, 1, 0, "name"),
        ("f.jsonl", 2, 4, 18, "name"),
        ("f.jsonl", 2, 4, 18, "x"),
    ]


def test_unknown_fields_need_the_raw_column() -> None:
    [stage] = stages("a")
    # The bytes of the stream are kept, not those that a writer would write.
    data = [UNKNOWN + stage, stage]
    good, violations = check_records(records(data), "StageDef")
    assert good.column("name").to_pylist() == ["a"]
    assert places(violations) == [(0, "", "table.unknown_field")]
    assert "unknown field 16383" in violations.column("message")[0].as_py()
    good, violations = check_records(records(data), "StageDef", raw=True)
    assert good.column("raw").to_pylist() == data
    assert len(violations) == 0
    inside = v1.BackendRef.FromString(b"\x0a\x01a" + UNKNOWN)
    nested = v1.Experiment(id="e", backend=inside)
    _, violations = check_records(
        records([nested.SerializeToString()]), "Experiment", validate=False
    )
    assert places(violations) == [(0, "backend", "table.unknown_field")]


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize("raw", [True, False])
def test_records_give_the_same_alone_and_together(raw: bool, validate: bool) -> None:
    def nested(depth: int) -> bytes:
        data = b"\x0a\x01a"
        field = v1.BackendRef.DESCRIPTOR.fields_by_name["fallback"].number
        for _ in range(depth):
            data = _VarintBytes(field << 3 | 2) + _VarintBytes(len(data)) + data
        return b"\x0a\x01a" + data

    hidden = b"\xfb\xff\x07\x00\x00\xfc\xff\x07"
    special = [b"", b"\xff", UNKNOWN, hidden, nested(1), nested(98), nested(100), nested(101)]
    good = v1.BackendRef(id="a").SerializeToString()
    data = [each for part in special for each in (*[good] * 20, part, good + part)]
    options: dict[str, Any] = {"raw": raw, "validate": validate}
    rows, violations = check_records(records(data), "BackendRef", **options)
    assert len(rows) > 8 * 20
    assert violations.num_rows >= 6
    for index, each in enumerate(data):
        if index % 22 < 19:
            continue
        alone, found = check_records(records([each]), "BackendRef", **options)
        bad = [row | {"record": 0} for row in violations.to_pylist() if row["record"] == index]
        assert found.to_pylist() == bad
        assert (len(alone) == 0) == bool(bad)
    limits = ir.Limits(max_items=1000)  # Each record is then read by itself.
    again, found = check_records(records(data), "BackendRef", limits=limits, **options)
    assert again.equals(rows)
    assert found.equals(violations)


def test_values_that_arrow_cannot_have_are_violations() -> None:
    nan = v1.StageDef(name="n")
    nan.options["rate"] = float("nan")
    _, violations = check_records(records([nan.SerializeToString()]), "StageDef")
    assert places(violations) == [(0, 'options["rate"]', "table.value")]
    runs = [run(f"r{i}", seconds=2**60 if i in (3, 4, 20) else 1) for i in range(21)]
    data: list[bytes | None] = [each.SerializeToString() for each in runs]
    data[10] = b"\x0a"
    good, violations = check_records(records(data), "TrainingRun", validate=False)
    path = "metrics_history[0].time"
    assert places(violations) == [
        (3, path, "table.value"),
        (4, path, "table.value"),
        (10, "id", "decode"),
        (20, path, "table.value"),
    ]
    assert good.column("id").to_pylist() == [f"r{i}" for i in range(20) if i not in (3, 4, 10)]


def test_records_and_texts_have_limits() -> None:
    long = v1.Experiment(id="e")
    long.pipeline.extend(v1.StageDef() for _ in range(150))
    _, violations = check_records(records([long.SerializeToString()]), "Experiment")
    assert len(violations) == 100
    text = v1.StageDef(name="g" * 100_000)
    limits = ir.Limits(max_frame_bytes=1000)
    _, violations = check_records(
        records([None, text.SerializeToString()]), "StageDef", limits=limits
    )
    assert places(violations) == [(0, "", "decode"), (1, "", "decode")]
    assert "1000 bytes (max_frame_bytes)" in violations.column("message")[1].as_py()
    line = json.dumps({"metrics": {"k" * 100_000: "x" * 100_000}}).encode()
    _, violations = check_records(records([line]), "ModelVersion", format="jsonl")
    for name in ("path", "message"):
        assert max(map(len, violations.column(name).to_pylist())) <= 1000


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (pa.table({"record": [0], "data": [b""]}), r"expected a pyarrow\.RecordBatch"),
        (pa.record_batch({"record": [0]}), 'no column "data"'),
        (pa.record_batch({"record": ["a"], "data": [b""]}), 'column "record" has the type string'),
        (pa.record_batch({"record": [None], "data": [b""]}), 'column "record" has nulls'),
    ],
)
def test_other_batches_are_rejected(batch: Any, message: str) -> None:
    with pytest.raises(ir.DecodeError, match=message):
        check_records(batch, "StageDef")


@pytest.mark.parametrize("rule_id", ["decode", "table.unknown_field", "table.value"])
def test_ids_of_violations_are_explained(rule_id: str) -> None:
    assert explain(rule_id).meaning


def test_streams_become_tables_and_violations(tmp_path: Path) -> None:
    data = b"".join(_VarintBytes(len(each)) + each for each in [*stages("a", "", "b"), b"\xff"])
    path = tmp_path / "s.binpbs.gz"
    path.write_bytes(gzip.compress(data + b"\x05ab"))
    good, violations, end = ir.checked_tables(path, "StageDef")
    assert good.column("name").to_pylist() == ["a", "b"]
    assert good.schema.equals(ir.arrow_schema("StageDef"))
    assert [tuple(row.values())[:6] for row in violations.to_pylist()] == [
        (str(path), 1, None, 4, "name", "required"),
        (str(path), 3, None, 9, "", "decode"),
        (str(path), 4, None, 11, "", "decode"),
    ]
    assert end is not None
    assert end.ends_stream
    assert violations.column("message")[2].as_py() == end.reason
    with pytest.raises(ir.StreamError, match=r"^record 1 at byte 4: name: must not be empty"):
        ir.to_arrow(path, "StageDef")


def test_lines_become_tables_and_violations() -> None:
    lines = [b'{"name": "a"}', b"", b"{", b'{"name": ""}', b'{"name": "b", "enabled": true}']
    data = b"\n".join(lines)
    good, violations, end = ir.checked_tables(io.BytesIO(data), "StageDef", format="jsonl")
    assert good.column("name").to_pylist() == ["a", "b"]
    assert end is None
    rows = violations.select(["source", "record", "line", "offset", "rule_id"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (None, 1, 3, 15, "decode"),
        (None, 2, 4, 17, "required"),
    ]
    with pytest.raises(ir.StreamError, match=r"^record 1 at line 3: "):
        ir.to_arrow(data, "StageDef", format="jsonl")
    table = ir.to_arrow(lines[0] + b"\n" + lines[4], "StageDef", format="jsonl", raw=True)
    assert [message.enabled for message in ir.from_arrow(table, v1.StageDef)] == [False, True]


def test_messages_become_tables_and_violations() -> None:
    good, violations, _ = ir.checked_tables(
        iter([v1.StageDef(), v1.StageDef(name="a")]), "StageDef"
    )
    assert good.num_rows == 1
    [row] = violations.to_pylist()
    assert (row["source"], row["record"], row["line"], row["offset"]) == (None, 0, None, None)


def test_values_are_json() -> None:
    event = v1.FeedbackEvent(id="e" * 5000, latency_ms=-3)
    event.deployment_id = 'a "quote"\n' * 200
    _, violations = check_records(records([event.SerializeToString()]), "FeedbackEvent")
    values = {row["path"]: row["value"] for row in violations.to_pylist()}
    assert json.loads(values["latency_ms"]) == -3
    assert values["id"] == '"' + "e" * 998 + "…"
