"""Arrow tables of messages are lossless, and readable by other libraries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.types import message_types

EVENT = {
    "id": "e1",
    "deploymentId": "prod",
    "feedbackType": "FEEDBACK_TYPE_RATING",
    "feedbackValue": 4.5,
    "latencyMs": 12,
    "timestamp": "2025-12-26T12:00:00.123456Z",
    "metadata": {"a": [1, None]},
}


def event(**changes: Any) -> v1.FeedbackEvent:
    return ir.from_dict(EVENT | changes, v1.FeedbackEvent)


def written(found: list[Message]) -> list[bytes]:
    # `==` treats -0.0 and 0.0 alike.
    return [message.SerializeToString(deterministic=True) for message in found]


@st.composite
def some_messages(draw: st.DrawFn) -> tuple[type[Message], list[Message]]:
    class_ = draw(st.sampled_from(list(message_types().values())))
    return class_, draw(st.lists(messages(class_), max_size=3))


@given(some_messages())
def test_rows_do_not_depend_on_each_other(given_: tuple[type[Message], list[Message]]) -> None:
    class_, found = given_
    table = ir.to_arrow(found, class_, validate=False, complete=True)
    alone = [
        row
        for each in found
        for row in ir.to_arrow([each], class_, validate=False, complete=True).to_pylist()
    ]
    # NaN differs from itself, but not in text.
    assert repr(table.to_pylist()) == repr(alone)


@given(some_messages(), st.booleans())
def test_messages_of_every_type_come_back(
    given_: tuple[type[Message], list[Message]], complete: bool
) -> None:
    class_, found = given_
    table = ir.to_arrow(found, class_, validate=False, complete=complete)
    table.validate(full=True)
    if complete:
        assert table.schema.equals(ir.arrow_schema(class_, complete=True), check_metadata=True)
    assert written(list(ir.from_arrow(table, class_, validate=False))) == written(found)


def test_each_value_has_the_type_of_its_field() -> None:
    table = ir.to_arrow([event()], "FeedbackEvent")
    assert table.schema.remove_metadata().equals(ir.arrow_schema(v1.FeedbackEvent))
    [row] = table.to_pylist()
    assert row["id"] == "e1"
    assert row["feedback_type"] == "rating"
    assert row["latency_ms"] == 12
    assert row["timestamp"] == datetime(2025, 12, 26, 12, 0, 0, 123456, UTC)
    assert json.loads(row["metadata"]) == {"a": [1, None]}
    assert row["user_id"] is None
    assert not table.schema.field("id").nullable


def test_metadata_name_the_type_and_the_schema() -> None:
    metadata = ir.arrow_schema("FeedbackEvent").metadata
    assert metadata[b"crucible_ir.type"] == b"FeedbackEvent"
    assert metadata[b"crucible_ir.version"] == ir.__version__.encode()
    assert metadata[b"crucible_ir.schema_digest"].startswith(b"sha256:")


def test_columns_beside_others_are_only_in_tables_that_need_them() -> None:
    plain = ir.to_arrow([event()], "FeedbackEvent")
    assert not {"timestamp_nanos", "feedback_type_number", "custom_feedback_type"} & set(
        plain.column_names
    )
    exact = event(timestamp="2025-12-26T12:00:00.123456789Z")
    table = ir.to_arrow([event(), exact], "FeedbackEvent")
    assert table.column("timestamp_nanos").to_pylist() == [None, 789]
    assert table.column_names.index("timestamp_nanos") == 1 + table.column_names.index("timestamp")


def test_the_complete_schema_has_every_column() -> None:
    schema = ir.arrow_schema("FeedbackEvent", complete=True, raw=True)
    plain = ir.arrow_schema("FeedbackEvent", raw=True)
    assert sorted(set(schema.names) - set(plain.names)) == [
        "custom_feedback_type",
        "custom_source",
        "feedback_type_number",
        "source_number",
        "timestamp_nanos",
    ]
    assert [name for name in schema.names if name in plain.names] == plain.names
    index = schema.names.index("feedback_type")
    assert schema.names[index + 1 : index + 3] == ["feedback_type_number", "custom_feedback_type"]
    points = ir.arrow_schema("TrainingRun", complete=True).field("metrics_history").type
    assert "time_nanos" in [field.name for field in points.value_type]


def test_no_column_has_the_name_of_another() -> None:
    waiting = [ir.arrow_schema(class_, complete=True) for class_ in message_types().values()]
    for fields in waiting:
        names = [field.name for field in fields]
        assert len(set(names)) == len(names)
        for field in fields:
            type_ = field.type
            while pa.types.is_list(type_) or pa.types.is_map(type_):
                type_ = type_.item_type if pa.types.is_map(type_) else type_.value_type
            if pa.types.is_struct(type_):
                waiting.append(list(type_))


def test_vocabularies_are_one_column() -> None:
    custom = event()
    custom.custom_feedback_type = "stars"
    clash = event()
    clash.custom_feedback_type = "thumbs"
    unknown = event()
    unknown.feedback_type = 99  # type: ignore[assignment]  # a number of a newer schema
    table = ir.to_arrow([event(), custom, clash, unknown], "FeedbackEvent", validate=False)
    assert table.column("feedback_type").to_pylist() == ["rating", "stars", "thumbs", None]
    assert table.column("custom_feedback_type").to_pylist() == [None, None, "thumbs", None]
    assert table.column("feedback_type_number").to_pylist() == [None, None, None, 99]


def test_columns_that_a_few_of_many_rows_need_are_null_elsewhere() -> None:
    found = [event(id=str(number)) for number in range(1500)]
    found[700].timestamp.nanos += 5
    found[1200].custom_feedback_type = "thumbs"
    table = ir.to_arrow(found, "FeedbackEvent")
    assert table.num_rows == 1500
    for name, row, value in (
        ("timestamp_nanos", 700, 5),
        ("custom_feedback_type", 1200, "thumbs"),
    ):
        cells = table.column(name).to_pylist()
        assert cells.pop(row) == value
        assert set(cells) == {None}
    assert list(ir.from_arrow(table, "FeedbackEvent")) == found


def test_empty_and_absent_are_different() -> None:
    absent, empty = event(), event(metadata={})
    absent.ClearField("metadata")
    table = ir.to_arrow([absent, empty], "FeedbackEvent")
    assert table.column("metadata").to_pylist() == [None, "{}"]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"])
def test_first_and_last_time_come_back(time: str) -> None:
    found = [event(timestamp=time)]
    assert list(ir.from_arrow(ir.to_arrow(found, "FeedbackEvent"), "FeedbackEvent")) == found


def test_messages_inside_messages_of_their_type_are_json() -> None:
    backend = v1.BackendRef(id="a", fallback=v1.BackendRef(id="b"))
    [row] = ir.to_arrow([backend], "BackendRef").to_pylist()
    assert json.loads(row["fallback"]) == {"id": "b"}


def test_values_that_arrow_cannot_have_are_located() -> None:
    bad = event()
    bad.timestamp.seconds = 2**60
    with pytest.raises(ir.EncodeError, match=r"^\[1\]\.timestamp: "):
        ir.to_arrow([event(), bad], "FeedbackEvent", validate=False)
    run = v1.TrainingRun(id="r")
    run.metrics_history.add().values["a"] = 1
    run.metrics_history.add().time.seconds = 2**60
    with pytest.raises(ir.EncodeError, match=r"^\[0\]\.metrics_history\[1\]\.time: "):
        ir.to_arrow([run], "TrainingRun", validate=False)


def test_unknown_fields_need_the_raw_column() -> None:
    found = v1.FeedbackEvent.FromString(event().SerializeToString() + b"\xf8\xff\x07\x05")
    with pytest.raises(ir.EncodeError, match=r'^\[0\]: .*"raw"'):
        ir.to_arrow([found], "FeedbackEvent")
    table = ir.to_arrow([found], "FeedbackEvent", raw=True)
    assert table.column("raw").to_pylist() == [found.SerializeToString(deterministic=True)]
    assert list(ir.from_arrow(table, "FeedbackEvent")) == [found]
    with pytest.raises(ir.EncodeError, match='field "raw"'):
        ir.to_arrow([], "ToolCall", raw=True)


def test_invalid_messages_are_rejected() -> None:
    with pytest.raises(ir.ValidationError):
        ir.to_arrow([v1.StageDef()], "StageDef")
    with pytest.raises(ir.ValidationError):
        list(ir.from_arrow(pa.table({"name": [""]}), "StageDef"))
    with pytest.raises(ir.DecodeError, match=r"__arrow_c_stream__, got 5"):
        ir.from_arrow(5, "StageDef")
    with pytest.raises(ir.EncodeError, match=r"expected messages, or a path, .* got 5"):
        ir.to_arrow(5, "StageDef")  # type: ignore[arg-type]  # neither messages nor a stream
    with pytest.raises(ir.EncodeError, match="expected a StageDef"):
        ir.to_arrow([event()], "StageDef")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"nmae": ["a"]}, r'unknown column "nmae"; did you mean "name"\?'),
        ({"name": [1]}, r"^\[0\]\.name: got 1"),
        ({"name": ["a"], "options": ["{"]}, r"^\[0\]\.options: "),
    ],
)
def test_columns_that_do_not_fit_are_located(columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(ir.DecodeError, match=message):
        list(ir.from_arrow(pa.table(columns), "StageDef"))


def test_unknown_names_of_closed_vocabularies_are_rejected() -> None:
    table = pa.table({"role": ["narrator"], "text": ["a"]})
    with pytest.raises(ir.DecodeError, match=r"^\[0\]\.role: expected one of .*narrator"):
        list(ir.from_arrow(table, "Message"))


def test_other_libraries_read_and_return_tables() -> None:
    found = [event(), event(id="e2", timestamp="2025-12-26T12:00:00.000000001Z")]
    table = ir.to_arrow(found, "FeedbackEvent")
    frame = polars.from_arrow(table)
    assert list(ir.from_arrow(frame, "FeedbackEvent")) == found
    with duckdb.connect() as database:
        database.register("events", table)
        query = "SELECT feedback_type, count(*) FROM events GROUP BY 1"
        assert database.execute(query).fetchall() == [("rating", 2)]
        rows = database.sql("SELECT * FROM events")
        assert list(ir.from_arrow(rows, "FeedbackEvent")) == found


def test_parquet_files_come_back(tmp_path: Any) -> None:
    found = [event()]
    table = ir.to_arrow(found, "FeedbackEvent")
    pq.write_table(table, tmp_path / "events.parquet", compression="zstd")
    again = pq.read_table(tmp_path / "events.parquet")
    assert again.schema.metadata[b"crucible_ir.type"] == b"FeedbackEvent"
    assert list(ir.from_arrow(again, "FeedbackEvent")) == found
    with duckdb.connect() as database:
        query = f"SELECT metadata->'a' FROM '{tmp_path / 'events.parquet'}'"
        [(value,)] = database.execute(query).fetchall()
    assert json.loads(value) == [1, None]
