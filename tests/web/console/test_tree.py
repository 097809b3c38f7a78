"""The rows of a tree for every kind of value."""

from __future__ import annotations

from datetime import UTC, date, datetime

from crucible_ir import v1
from crucible_ir.web.console.times import day_name, full_time, short_time, zone_named
from crucible_ir.web.console.tree import TreeRow, tree_of

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def rows_of(message: object) -> dict[str, TreeRow]:
    """Return the rows of a message by path."""
    return {row.path: row for row in tree_of(message) if row.path}  # type: ignore[arg-type]


def test_lists_maps_and_messages_have_rows_below() -> None:
    prompt = v1.Prompt(request_id="r")
    parts = prompt.messages.add().parts.parts
    parts.add(text="hello")
    image = parts.add()
    image.image.base64 = b"\x00\x01"
    prompt.metadata.update({"list": [1, 2.5, "x", None, {"deep": True}], "empty": {}})
    rows = rows_of(prompt)
    assert rows["messages"].value == "1 item" and rows["messages[0]"].name == "[0]"
    assert rows["messages[0].parts.parts[0].text"].value == '"hello"'
    assert rows["messages[0].parts.parts[1].image.base64"].value == "2 bytes, 0001"
    assert rows['metadata["list"]'].value == "5 items"
    assert [rows[f'metadata["list"][{i}]'].value for i in range(4)] == ["1", "2.5", '"x"', "null"]
    assert rows['metadata["list"][4]["deep"]'].depth == 3
    assert rows['metadata["empty"]'].value == "0 entries"


def test_long_values_are_cut() -> None:
    version = v1.ModelVersion(id="x" * 9000, tags=[f"t{i}" for i in range(150)])
    version.metrics.update({f"m{i:03}": i for i in range(150)})
    version.options.update({f"k{i:03}": i for i in range(150)})
    rows = tree_of(version)
    values = {row.path: row.value for row in rows}
    assert len(values["id"]) == 4000 and "and 50 more" in values["tags"]
    assert [row.value for row in rows if row.value.endswith(" more")] == ["50 more", "50 more"]
    many = v1.Experiment(id="e", pipeline=[v1.StageDef(name=f"s{i}") for i in range(99)])
    for stage in many.pipeline:
        stage.options.update({f"k{i}": i for i in range(90)})
    assert len(tree_of(many)) == 3001


def test_custom_names_numbers_and_times() -> None:
    config = v1.TrainingConfig(id="c", custom_optimizer="lion", learning_rate=float("-inf"))
    rows = rows_of(config)
    assert rows["custom_optimizer"].value == '"lion"' and rows["custom_optimizer"].name
    assert (rows["learning_rate"].value, rows["learning_rate"].kind) == ("-Infinity", "bad")
    output = v1.OutputSpec(name="o", custom_formats=["odt"])
    output.formats.append(v1.OutputFormat.OUTPUT_FORMAT_JSON)
    assert rows_of(output)["formats"].value == '[json, "odt"]'
    run = v1.TrainingRun(id="r")
    run.config.id = "c"
    assert rows_of(run)["config"].refers_to == ("TrainingConfig", "c")
    run.started_at.FromDatetime(NOON)
    run.completed_at.seconds = 10**15
    rows = rows_of(run)
    assert rows["started_at"].time == NOON
    assert rows["completed_at"].time is None and "10" in rows["completed_at"].value


def test_times_are_as_short_as_the_day_permits() -> None:
    assert short_time(datetime(2026, 3, 1, 2, tzinfo=UTC), UTC, NOON) == "1 Mar 02:00"
    assert day_name(date(2026, 11, 29), UTC, NOON) == "Today"
    assert day_name(date(2025, 11, 29), UTC, NOON) == "Saturday, 29 Nov 2025"
    assert zone_named("No/Such_Zone") is UTC and zone_named("") is UTC
    assert full_time(NOON) == "29 Nov 2026 12:00:00 UTC"
