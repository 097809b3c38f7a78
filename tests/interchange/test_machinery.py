"""The machinery of interchange, with a small format made for these tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law

from crucible_ir import v1
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    NUMBER,
    NUMBER_TEXT,
    UNIX_MILLISECONDS,
    VERSION,
    NoConversionError,
    Rule,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.decoded import Beside, Decoded
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.reading import Record
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.interchange.mapping.source import Account
from crucible_ir.interchange.mapping.values import same
from crucible_ir.paths import MapKey

_REFERENCES = {"model_ref": {"id": "m"}, "dataset_ref": {"name": "d"}}
_STATUS = names({"DONE": "completed", "GOING": "running"}, "names of statuses differ")

_RULES = (
    Rule("id", types=(str,)),
    Rule("state", "status", _STATUS),
    Rule("began", "started_at", UNIX_MILLISECONDS),
    Rule("step", "current_step", types=(int,)),
    Rule("labels", "tags", types=(list,)),
)
_CONFIG_RULES = (
    Rule("lr", "learning_rate", NUMBER_TEXT, types=(str,)),
    Rule("epochs", types=(int,)),
)


def _import(conversion: Import) -> None:
    source = conversion.source
    if source.get("id", str) is None:
        raise source.fail('expected the key "id"')
    run = conversion.document("TrainingRun")
    run.keep_rest(source)
    read_rules(conversion, source, run, _RULES)
    config = run.child("config")
    config.put("id", f"{source.value['id']}-config")
    settings = source.get("config", dict)
    if settings is not None:
        config.keep_rest(settings)
        read_rules(conversion, settings, config, _CONFIG_RULES)
    config.default("model_ref", {"id": UNKNOWN}, "the format does not name the model")
    config.default("dataset_ref", {"name": UNKNOWN}, "the format does not name the dataset")
    for row in source.items("rows"):
        snapshot = run.append("metrics_history")
        values = snapshot.child("values")
        for name, found in row.entries("values"):
            if type(found.value) in (int, float):
                values.put(name, found.value, found)


def _export(conversion: Export) -> None:
    source, target = conversion.source, conversion.target
    write_rules(source, target, _RULES)
    config = source.get("config", dict)
    if config is not None:
        name = config.get("id", str)
        if name is not None:
            name.use(Outcome.DROPPED, reason="it is derived from the run's id")
        settings = target.child("config")
        write_rules(config, settings, _CONFIG_RULES)
        settings.restore(config.rest())
    for snapshot in source.items("metrics_history"):
        row = target.append("rows")
        values = row.child("values")
        for key, found in snapshot.entries("values"):
            values.put(key, found.value, found)
    target.restore(source.rest())


TOY = Format("toy", "Toy", "A format of tests.", _import, {"TrainingRun": _export})


def _run(**more: Any) -> dict[str, Any]:
    return {"id": "r1", "state": "DONE", "config": {"lr": "0.1"}, **more}


def test_a_record_is_imported_and_every_value_is_reported() -> None:
    imported = check_law(
        TOY,
        _run(
            began=1_700_000_000_123,
            labels=["a", "b"],
            extra={"deep": [1, {"x": None}], "big": 2**60},
            nothing=None,
            rows=[{"values": {"loss": 0.5}, "note": "n"}, {"values": {"loss": math.nan}}],
        ),
    )
    [run] = imported.documents
    assert isinstance(run, v1.TrainingRun)
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert run.config.learning_rate == 0.1
    assert run.started_at.ToMilliseconds() == 1_700_000_000_123
    kept = json_values(run)["options"]["toy"]
    assert kept["rows"]["0"]["note"] == "n"
    assert kept["extra"]["big"] == str(2**60)
    assert kept["defaulted"] == ["config.model_ref", "config.dataset_ref"]
    outcomes = {entry.path: entry.outcome for entry in imported.report.entries}
    assert outcomes["state"] is Outcome.CONVERTED
    assert outcomes["labels.**"] is Outcome.RENAMED
    assert outcomes["id"] is Outcome.KEPT
    assert outcomes["rows[*].values[*]"] is Outcome.KEPT


@pytest.mark.parametrize(
    ("record", "path", "field"),
    [
        (_run(step=-1), "step", "current_step"),
        (_run(config={"epochs": 0}), "config.epochs", "epochs"),
        (_run(state="PAINTED"), "state", "status"),
        (_run(config={"lr": "fast"}), "config.lr", "learning_rate"),
    ],
)
def test_a_value_that_breaks_a_rule_is_kept_as_it_is(
    record: dict[str, Any], path: str, field: str
) -> None:
    imported = check_law(TOY, record)
    [entry] = [entry for entry in imported.report.entries if entry.path == path]
    assert entry.outcome is Outcome.CONVERTED
    assert entry.reason
    assert entry.target.endswith(f".options.toy.{path.rpartition('.')[2]}")
    [run] = imported.documents
    assert isinstance(run, v1.TrainingRun)
    assert not run.config.HasField("epochs")


def test_a_changed_field_replaces_what_the_import_kept() -> None:
    rule = (Rule("version", "final_model_version", VERSION),)

    def read(conversion: Import) -> None:
        run = conversion.document("TrainingRun")
        run.keep_rest(conversion.source)
        run.value["id"] = "r"
        run.value["config"] = {
            "id": "c",
            "model_ref": {"id": "m"},
            "dataset_ref": {"name": "d"},
        }
        read_rules(conversion, conversion.source, run, rule)

    def write(conversion: Export) -> None:
        write_rules(conversion.source, conversion.target, rule)
        conversion.target.restore(conversion.source.rest())

    toy = Format("toy", "Toy", "", read, {"TrainingRun": write})
    [run] = toy.import_({"version": "3"}).documents
    assert isinstance(run, v1.TrainingRun)
    assert run.final_model_version == "3.0.0"
    assert toy.export(run).obj == {"version": "3"}
    run.final_model_version = "4.0.0"
    assert toy.export(run).obj == {"version": "4.0.0"}


def test_what_is_kept_beside_the_only_field_that_breaks_a_rule_is_not_lost() -> None:
    rules = (Rule("n", "choice_count", types=(int,)),)

    def read(conversion: Import) -> None:
        prompt = conversion.document("Prompt")
        settings = conversion.source.get("settings", dict)
        assert settings is not None
        options = prompt.child("options")
        options.keep_rest(settings)
        read_rules(conversion, settings, options, rules)

    def write(conversion: Export) -> None:
        options = conversion.source.get("options", dict)
        assert options is not None
        settings = conversion.target.child("settings")
        write_rules(options, settings, rules)
        settings.restore(options.rest())

    toy = Format("toy", "Toy", "", read, {"Prompt": write})
    check_law(toy, {"settings": {"n": 0, "other": None}})


def test_what_an_export_fills_in_is_reported() -> None:
    def write(conversion: Export) -> None:
        write_rules(conversion.source, conversion.target, _RULES)
        conversion.target.default("step", 0, "the format requires it")

    toy = Format("toy", "Toy", "", _import, {"TrainingRun": write})
    exported = toy.export(v1.TrainingRun(id="r"))
    assert exported.obj == {"id": "r", "step": 0}
    [entry] = [each for each in exported.report.entries if each.outcome is Outcome.DEFAULTED]
    assert (entry.path, entry.target, entry.reason) == ("", "step", "the format requires it")


def test_a_bad_record_is_left_out_and_reported() -> None:
    records = [_run(), {"state": "DONE"}, 7, _run(id="r2")]
    imported = TOY.import_(records)
    assert [getattr(each, "id", "") for each in imported.documents] == ["r1", "r2"]
    assert [error.path for error in imported.report.errors] == ["[1]", "[2]"]


def test_patterns_split_only_where_outcomes_differ() -> None:
    records = [_run(), _run(state="PAINTED"), _run(extra={"a": 1}), _run(extra=3)]
    report = TOY.import_(records).report
    paths = [entry.path for entry in report.entries]
    assert "[*].id" in paths
    assert {"[0,2-3].state", "[1].state", "[2].extra.**", "[3].extra"} <= {
        path.replace("[*].extra.**", "[2].extra.**").replace("[*].extra", "[3].extra")
        for path in paths
    }
    check_complete(records, report)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
_RECORDS = st.fixed_dictionaries(
    {"id": st.text(min_size=1, max_size=8)},
    optional={
        "state": st.sampled_from(["DONE", "GOING", "PAINTED"]) | _VALUES,
        "began": st.integers(-(10**12), 10**13) | _VALUES,
        "step": st.integers(-3, 2**40) | _VALUES,
        "labels": st.lists(st.text(max_size=3), max_size=3) | _VALUES,
        "config": st.fixed_dictionaries(
            {},
            optional={
                "lr": st.sampled_from(["0.1", "1e-3", "x", "0", "nan"]) | _VALUES,
                "epochs": st.integers(-1, 2) | _VALUES,
                "other": _VALUES,
            },
        )
        | _VALUES,
        "rows": st.lists(
            st.fixed_dictionaries(
                {"values": st.dictionaries(st.text(max_size=3), st.floats() | _VALUES)}
            )
            | _VALUES,
            max_size=3,
        ),
        "extra": _VALUES,
    },
)


@given(_RECORDS)
def test_the_law_holds_for_any_record(record: dict[str, Any]) -> None:
    check_law(TOY, record)


@given(st.lists(_RECORDS, max_size=4))
def test_every_value_of_many_records_matches_one_entry(records: list[dict[str, Any]]) -> None:
    imported = TOY.import_(records)
    assert not imported.report.errors
    check_complete(records, imported.report)


def test_a_million_rows_take_constant_memory() -> None:
    recorder = Recorder()
    recorder.add_rows(("rows", 0, "loss"), Outcome.KEPT, first=0, last=499_999)
    recorder.add(("rows", 500_000, "loss"), Outcome.DROPPED, reason="no number")
    recorder.add_rows(("rows", 0, "loss"), Outcome.KEPT, first=500_001, last=999_999)
    entries = recorder.report().entries
    assert [(entry.path, entry.count) for entry in entries] == [
        ("rows[0-499999,500001-999999].loss", 999_999),
        ("rows[500000].loss", 1),
    ]


def test_outcomes_that_alternate_too_often_are_merged_into_the_least_faithful() -> None:
    recorder = Recorder()
    for index in range(3_000):
        outcome = Outcome.DROPPED if index % 2 else Outcome.KEPT
        recorder.add(("rows", index, "loss"), outcome, reason="odd" if index % 2 else "")
    [entry] = recorder.report().entries
    assert (entry.path, entry.outcome, entry.count) == ("rows[*].loss", Outcome.DROPPED, 3_000)
    assert "1500 kept, 1500 dropped" in entry.reason


def test_documents_of_one_type_are_repaired_apart() -> None:
    def read(conversion: Import) -> None:
        for item in conversion.source.items("events"):
            event = conversion.document("FeedbackEvent")
            event.keep_rest(item)
            read_rules(conversion, item, event, (Rule("id"), Rule("latency_ms", types=(int,))))
            event.default("source_id", UNKNOWN, "nobody signed it")

    toy = Format("toy", "Toy", "", read)
    events = [{"id": "a", "latency_ms": 1}, {"id": "b", "latency_ms": -1}]
    imported = toy.import_({"events": events})
    first, second = map(json_values, imported.documents)
    assert first["latency_ms"] == 1
    assert first["metadata"]["toy"] == {"defaulted": ["source_id"]}
    assert "latency_ms" not in second
    assert second["metadata"]["toy"] == {"latency_ms": -1, "defaulted": ["source_id"]}
    check_complete({"events": events}, imported.report)


def test_a_long_list_is_accounted_for_as_one() -> None:
    def read(conversion: Import) -> None:
        source = conversion.source
        run = conversion.document("TrainingRun")
        run.keep_rest(source)
        run.value.update({"id": "r", "config": {"id": "c"}})
        for name, key in (("model_ref", "id"), ("dataset_ref", "name")):
            run.child("config").default(name, {key: UNKNOWN}, "not named")
        found = source.get("losses", list)
        assert found is not None
        losses = found.value[:-1]

        def record(recorder: Recorder, path: Path) -> None:
            target = (*run.path, "metrics_history", 0, "values", MapKey("loss"))
            recorder.add_rows((*path, 0), Outcome.RENAMED, target, first=0, last=len(losses) - 1)

        def fill(message: v1.TrainingRun) -> None:
            for loss in losses:
                message.metrics_history.add().values["loss"] = loss

        last = len(losses)
        conversion.account(found, Account(record, [((*found.path, last), found.value[last])]))
        conversion.complete(run, fill)

    toy = Format("toy", "Toy", "", read)
    record = {"losses": [0.5, 0.25, "n/a"]}
    imported = toy.import_(record)
    check_complete(record, imported.report)
    [run] = imported.documents
    assert isinstance(run, v1.TrainingRun)
    assert [row.values["loss"] for row in run.metrics_history] == [0.5, 0.25]
    assert json_values(run)["options"]["toy"]["losses"] == {"2": "n/a"}
    assert [(entry.path, entry.count) for entry in imported.report.entries if entry.path] == [
        ("losses[0-1]", 2),
        ("losses[2]", 1),
    ]


def _decode_pairs(record: dict[str, Any]) -> Decoded:
    decoded = Decoded(value={**record, "config": {}})
    for index, pair in enumerate(record.get("config", [])):
        place = ("config", index)
        if not isinstance(pair, dict) or set(pair) != {"name", "value"}:
            decoded.unread.append(Beside(place, pair, "not a pair"))
            continue
        path = ("config", pair["name"])
        decoded.value["config"][pair["name"]] = pair["value"]
        decoded.places[path] = (*place, "value")
        decoded.beside[path] = [Beside((*place, "name"), pair["name"])]
        if pair["name"] == "LR":
            decoded.rewritten[path] = "an old name"
    return decoded


def _encode_pairs(obj: dict[str, Any]) -> dict[str, Any]:
    pairs = [{"name": name, "value": value} for name, value in obj.get("config", {}).items()]
    return {**obj, "config": pairs}


PAIRS = Format(
    "pairs",
    "Pairs",
    "A format of tests.",
    _import,
    {"TrainingRun": _export},
    decode=_decode_pairs,
    encode=_encode_pairs,
)


def test_a_record_with_an_encoding_of_its_own_is_reported_as_it_is() -> None:
    pairs = [
        {"name": "lr", "value": "0.1"},
        {"name": "epochs", "value": 2},
        {"name": "LR", "value": 5},
        {"name": "nested", "value": {"a": [1]}},
        7,
        {"value": {"b": 1}},
    ]
    imported = check_law(PAIRS, {"id": "r1", "config": pairs})
    expected: dict[tuple[str | int, ...], Outcome] = {
        (0, "value"): Outcome.CONVERTED,
        (1, "value"): Outcome.KEPT,
        (2, "value"): Outcome.CONVERTED,
        (3, "value", "a", 0): Outcome.OPAQUE,
        (4,): Outcome.DROPPED,
        (0, "name"): Outcome.CONVERTED,
        (1, "name"): Outcome.RENAMED,
        (2, "name"): Outcome.CONVERTED,
        (3, "name"): Outcome.RENAMED,
    }
    for path, outcome in expected.items():
        entry = imported.report.entry_of(("config", *path))
        assert entry is not None
        assert entry.outcome is outcome, path
    error = PAIRS.import_([{"config": [{"name": "id", "value": 1}]}]).report.errors[0]
    assert error.path == "[0]"


def test_a_part_of_a_record_can_be_left_out_as_an_error() -> None:
    def read(conversion: Import) -> None:
        for part in conversion.source.items("runs"):
            if part.text("id") is None:
                conversion.report_error(part, "a run has no id")
                continue
            run = conversion.document("TrainingRun")
            read_rules(conversion, part, run, (Rule("id"),))
            run.derive("config", {"id": "c", **_REFERENCES}, "a run has a config")
            part.rewritten("runs are lists now")

    toy = Format("toy", "Toy", "", read)
    imported = toy.import_([{"runs": [{"id": "a"}, {"no": 1}, {"id": "b"}]}])
    assert [run.id for run in imported.documents if isinstance(run, v1.TrainingRun)] == ["a", "b"]
    assert [(error.path, error.reason) for error in imported.report.errors] == [
        ("[0].runs[1]", "a run has no id")
    ]
    check_complete([{"runs": [{"id": "a"}, {"no": 1}, {"id": "b"}]}], imported.report)
    assert imported.report.counts == {
        "kept": 0,
        "renamed": 0,
        "opaque": 0,
        "converted": 2,
        "defaulted": 2,
        "dropped": 1,
    }


def test_records_that_belong_together_are_joined() -> None:
    def gather(records: Iterable[Record]) -> Iterator[Record]:
        yield Record({record.number: record.value for record in records}, "")

    def read(conversion: Import) -> None:
        run = conversion.document("TrainingRun")
        run.value.update({"id": "r", "config": {"id": "c", **_REFERENCES}})
        for number in conversion.source.value:
            part = conversion.source.get(number, dict)
            assert part is not None
            read_rules(conversion, part, run, (Rule("state", "status", _STATUS), Rule("step")))

    toy = Format("toy", "Toy", "", read, gather=gather)
    records = [{"state": "DONE"}, {"step": 3}]
    imported = toy.import_(records)
    assert len(imported.documents) == 1
    check_complete(records, imported.report)


def test_the_errors_of_many_bad_records_are_counted_and_the_first_are_listed() -> None:
    report = TOY.import_([{}] * 2_500).report
    assert (len(report.errors), report.error_count) == (1_000, 2_500)
    assert report.as_json()["error_count"] == 2_500


def test_secrets_are_left_out_and_not_shown() -> None:
    def read(conversion: Import) -> None:
        source = conversion.source
        source.drop_secrets("hub_token")
        run = conversion.document("TrainingRun")
        run.keep_rest(source)
        for key in ("id", "hub_token"):
            found = source.get(key)
            if found is not None:
                run.put(key, found.value, found)
        run.child("config").put("id", "c")
        run.child("config").default("model_ref", {"id": UNKNOWN}, "not named")
        run.child("config").default("dataset_ref", {"name": UNKNOWN}, "not named")

    toy = Format("toy", "Toy", "", read)
    record = {"id": "r", "hub_token": "x", "env": [{"api_key": "k3y"}], "token": True, "tokens": 3}
    imported = toy.import_(record)
    check_complete(record, imported.report)
    [run] = imported.documents
    assert json_values(run)["options"]["toy"]["token"] is True
    assert "k3y" not in str(run)
    assert imported.report.counts["dropped"] == 2
    assert "k3y" not in str(imported.report.as_json())


@pytest.mark.parametrize(
    ("number", "expected"), [(3, 3.0), ("1e-3", 0.001), (2**53 + 1, 2.0**53), ("nan", math.nan)]
)
def test_numbers_become_doubles(number: object, expected: float) -> None:
    assert same(NUMBER.read(number), expected)


@pytest.mark.parametrize("number", [10**400, "three", True, None, [1]])
def test_what_is_no_double(number: object) -> None:
    with pytest.raises(NoConversionError):
        NUMBER.read(number)


def test_a_foreign_name_that_is_one_of_ours_comes_back() -> None:
    rule = (Rule("state", "status", names({"DONE": "completed"}, "names differ", others="keep")),)

    def read(conversion: Import) -> None:
        run = conversion.document("TrainingRun")
        run.keep_rest(conversion.source)
        run.value["id"] = "r"
        run.value["config"] = {"id": "c", "model_ref": {"id": "m"}, "dataset_ref": {"name": "d"}}
        read_rules(conversion, conversion.source, run, rule)

    def write(conversion: Export) -> None:
        write_rules(conversion.source, conversion.target, rule)
        conversion.target.restore(conversion.source.rest())

    toy = Format("toy", "Toy", "", read, {"TrainingRun": write})
    [run] = toy.import_({"state": "completed"}).documents
    assert toy.export(run).obj == {"state": "completed"}


def test_keys_that_never_repeat_take_limited_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crucible_ir.interchange.mapping.report.MAX_PATTERNS", 100)
    imported = TOY.import_([_run(**{f"key{index}": index}) for index in range(300)])
    entries = imported.report.entries
    assert len(entries) <= 103
    [others] = [entry for entry in entries if entry.path == "**"]
    assert others.reason.startswith("beyond the first 100 patterns")
    assert sum(entry.count for entry in entries if "key" in entry.path) + others.count == 300


def test_values_of_any_depth_are_compared() -> None:
    def nested(leaf: object) -> Any:
        value = leaf
        for _ in range(5_000):
            value = [{"a": value}]
        return value

    assert same(nested(1), nested(1.0))
    assert same(nested(math.nan), nested(math.nan))
    assert not same(nested(1), nested(True))
    assert not same({"a": 1}, {"a": 1, "b": 2})
    assert not same([1], [1, 2])


def test_patterns_do_not_split_between_documents_of_one_type() -> None:
    def read(conversion: Import) -> None:
        for item in conversion.source.items("models"):
            model = conversion.document("ModelRef")
            read_rules(conversion, item, model, (Rule("id"), Rule("title", "name")))
            model.default("framework", "onnx", "all are")

    report = (
        Format("toy", "Toy", "", read)
        .import_({"models": [{"id": name, "title": name} for name in "abc"]})
        .report
    )
    assert [(each.path, each.target, each.count) for each in report.entries] == [
        ("models[*].id", "ModelRef.id", 3),
        ("models[*].title", "ModelRef.name", 3),
        ("", "ModelRef.framework", 3),
    ]


def test_numbers_that_opaque_json_has_as_text_are_numbers_again() -> None:
    record = _run(state=2**53 + 1, extra={"deep": [math.inf, {"a.b": -(2**60)}]}, began=math.nan)
    imported = check_law(TOY, record)
    [run] = imported.documents
    assert json_values(run)["options"]["toy"]["state"] == str(2**53 + 1)
    exported = TOY.export(run).obj
    assert same(exported, record)


def test_an_integer_that_a_double_rounds_is_converted() -> None:
    imported = check_law(TOY, _run(rows=[{"values": {"loss": 2**53 + 1}}]))
    [entry] = [entry for entry in imported.report.entries if entry.path.startswith("rows")]
    assert entry.outcome is Outcome.CONVERTED
    assert entry.source_values == (2**53 + 1,)
    assert entry.target_values == (2.0**53,)
