"""`crucible-ir diff`: differences across formats, merges and conflicts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, run

import crucible_ir as ir

A = """\
id: e
owner: me
tags: [a, b]
pipeline:
  - name: load
  - name: score
    options: {temperature: 0.5}
backend: {id: gpt4}
"""
B = """\
id: e
tags: [a, b, c]
pipeline:
  - name: score
    options: {temperature: 0.75}
  - name: load
backend: {id: gpt4, profile: default}
"""
LINES = [
    "--- a.yaml",
    "+++ b.yaml",
    '+ backend.profile: "default"',
    '> pipeline["score"]: moved from 1 to 0',
    '~ pipeline["score"].options["temperature"]: 0.5 → 0.75',
    '- owner: "me"',
    '+ tags[2]: "c"',
    "5 changes: 2 added, 1 removed, 1 changed, 1 moved",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(A)
    (tmp_path / "b.yaml").write_text(B)
    return tmp_path


def binary(text: str) -> bytes:
    return ir.to_binary(ir.from_yaml(text, "Experiment", validate=False))


# Comparing


def test_each_change_has_a_line_and_the_status_is_1() -> None:
    result = run("diff", "a.yaml", "b.yaml")
    assert (result.status, result.lines, result.err) == (1, LINES, "")


def test_equal_documents_print_nothing(folder: Path) -> None:
    (folder / "a.binpb").write_bytes(binary(A))
    for names in (("a.yaml", "a.binpb"), ("a.binpb", "a.yaml"), ("a.yaml", "a.yaml")):
        result = run("diff", *names)
        assert (result.status, result.out, result.err) == (0, "", "")


def test_documents_may_have_different_formats(folder: Path) -> None:
    (folder / "b.binpb").write_bytes(binary(B))
    result = run("diff", "a.yaml", "b.binpb")
    assert (result.status, result.lines[2:]) == (1, LINES[2:])
    result = run("diff", "--from", "yaml", "a.yaml", "-", stdin=B.encode())
    assert (result.status, result.lines[2:]) == (1, LINES[2:])


def test_kinds_of_change_have_different_colours() -> None:
    out = run("diff", "--color", "always", "a.yaml", "b.yaml").out
    colours = re.findall(r"^\x1b\[([\d;]+)m([-+~>]) ", out, re.MULTILINE)
    assert len({colour for colour, _ in colours}) == 4
    assert {mark for _, mark in colours} == set("-+~>")


def test_the_json_report_has_the_values() -> None:
    result = run("diff", "--format", "json", "a.yaml", "b.yaml")
    assert result.status == 1
    assert json.loads(result.out) == {
        "command": "diff",
        "a": "a.yaml",
        "b": "b.yaml",
        "changes": [
            {"path": "backend.profile", "kind": "added", "new": "default"},
            {"path": 'pipeline["score"]', "kind": "moved", "old": 1, "new": 0, "index": 0},
            {
                "path": 'pipeline["score"].options["temperature"]',
                "kind": "changed",
                "old": 0.5,
                "new": 0.75,
            },
            {"path": "owner", "kind": "removed", "old": "me"},
            {"path": "tags[2]", "kind": "added", "new": "c", "index": 2},
        ],
    }
    equal = run("diff", "--format", "json", "a.yaml", "a.yaml")
    assert (equal.status, json.loads(equal.out)["changes"]) == (0, [])


def test_the_tolerance_and_the_defaults_can_be_set() -> None:
    paths = run("diff", "--tolerance", "0.25", "--defaults-equal", "a.yaml", "b.yaml").out
    assert "temperature" not in paths
    assert "profile" not in paths
    assert 'pipeline["score"]: moved' in paths


def test_long_values_are_cut_without_full(folder: Path) -> None:
    (folder / "b.yaml").write_text(f"{A}description: {'x' * 500}\n")
    cut = run("diff", "a.yaml", "b.yaml")
    assert cut.lines[2] == f'+ description: "{"x" * 199}… (502 characters)'
    full = run("diff", "--full", "a.yaml", "b.yaml")
    assert full.lines[2] == f'+ description: "{"x" * 500}"'


def test_hostile_text_is_escaped_for_the_terminal(folder: Path) -> None:
    evil = "\x1b[2J\x9b31m\u202e[bold]x"
    made = ir.v1.StageDef(name=evil, options={evil: evil})
    (folder / "e\x1b.binpb").write_bytes(made.SerializeToString())
    (folder / "s.binpb").write_bytes(ir.v1.StageDef(name="s", options={}).SerializeToString())
    result = run("diff", "--type", "StageDef", "e\x1b.binpb", "s.binpb")
    assert result.status == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", result.out)
    assert "[bold]x" in result.out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.yaml", "none.yaml"), "none.yaml: cannot be read: no such file or directory"),
        (("a.yaml", "bad.json"), "bad.json:1:8: not JSON: expecting value"),
        (("a.yaml", "what"), "what: no file extension; expected one of"),
        (("e.binpb", "e.binpb"), "e.binpb: binary has field numbers and no names"),
        (
            ("a.yaml", EXAMPLES / "prompt.yaml"),
            "a crucible_ir.v1.Experiment cannot be compared with a crucible_ir.v1.Prompt",
        ),
        (("a.yaml", "."), ". matches 4 files; expected one"),
        (("a.yaml", "newer.binpb"), "unknown field 127, which a newer schema may have"),
        (("--tolerance", "-1", "a.yaml", "b.yaml"), "the tolerance must be a finite number"),
        (("--tolerance", "nan", "a.yaml", "b.yaml"), "the tolerance must be a finite number"),
    ],
)
def test_documents_that_cannot_be_compared_give_status_2_and_one_line(
    folder: Path, arguments: tuple[object, ...], reason: str
) -> None:
    (folder / "bad.json").write_text('{"id": ')
    (folder / "what").write_text("{}")
    (folder / "e.binpb").write_bytes(binary(A))
    if "newer.binpb" in arguments:
        (folder / "newer.binpb").write_bytes(b"\xf8\x07\x01")
    result = run("diff", *arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"crucible-ir: {reason}")
    assert len(result.err.splitlines()) == 1


def test_unknown_fields_can_be_left_out(folder: Path) -> None:
    (folder / "newer.binpb").write_bytes(binary(A) + b"\xf8\x07\x01")
    assert run("diff", "--allow-unknown-fields", "a.yaml", "newer.binpb").status == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.yaml",), "give A B; got 1 documents"),
        (("--three-way", "a.yaml", "b.yaml"), "give BASE OURS THEIRS; got 2 documents"),
        (("-", "-"), "only one document can come from standard input"),
        (("-o", "out.yaml", "a.yaml", "b.yaml"), "--output, --to and --force require --three-way"),
        (
            ("--three-way", "--tolerance", "1", *["a.yaml"] * 3),
            "--tolerance and --defaults-equal exclude --three-way",
        ),
    ],
)
def test_options_that_exclude_each_other_are_rejected(
    arguments: tuple[str, ...], reason: str
) -> None:
    result = run("diff", *arguments)
    assert result.status == 2
    assert reason in result.err


# Merging

THEIRS = A.replace("owner: me", "owner: me\ndescription: theirs")


def test_a_merge_is_written_in_the_format_of_its_extension(folder: Path) -> None:
    (folder / "theirs.yaml").write_text(THEIRS)
    expected = ir.from_yaml(B + "description: theirs\n", "Experiment", validate=False)
    for name in ("merged.json", "merged.yaml", "merged.binpb"):
        result = run("diff", "--three-way", "a.yaml", "b.yaml", "theirs.yaml", "-o", name)
        assert (result.status, result.out, result.err) == (0, "", "")
    merged = (folder / "merged.binpb").read_bytes()
    assert ir.v1.Experiment.FromString(merged) == expected
    text = (folder / "merged.json").read_text()
    assert ir.from_json(text, "Experiment", validate=False) == expected


def test_a_merge_is_printed_in_the_format_of_our_side(folder: Path) -> None:
    (folder / "theirs.json").write_text(
        ir.to_json(ir.from_yaml(THEIRS, "Experiment", validate=False))
    )
    result = run("diff", "--three-way", "a.yaml", "b.yaml", "theirs.json")
    assert result.status == 0
    expected = ir.from_yaml(B + "description: theirs\n", "Experiment", validate=False)
    assert ir.from_yaml(result.out, "Experiment", validate=False) == expected
    as_json = run("diff", "--three-way", "--to", "json", "a.yaml", "b.yaml", "theirs.json")
    assert ir.from_json(as_json.out, "Experiment", validate=False) == expected


def test_git_can_use_it_as_a_merge_driver(folder: Path) -> None:
    # git gives files without extensions, and reads the merge from the file of our side.
    for name, text in (("base", A), ("ours", B), ("theirs", THEIRS)):
        (folder / name).write_text(text)
    arguments = ("--from", "yaml", "--three-way", "base", "ours", "theirs", "--force", "-o", "ours")
    assert run("diff", *arguments).status == 0
    assert "description: theirs" in (folder / "ours").read_text()


def test_conflicts_are_listed_and_nothing_is_written(folder: Path) -> None:
    (folder / "theirs.yaml").write_text(A.replace("owner: me", "owner: them"))
    result = run("diff", "--three-way", "a.yaml", "b.yaml", "theirs.yaml", "-o", "merged.yaml")
    assert result.status == 1
    assert result.lines == [
        "! owner",
        '  base:   "me"',
        "  ours:   unset",
        '  theirs: "them"',
        "1 conflict",
    ]
    assert not (folder / "merged.yaml").exists()
    for_machines = run("diff", "--three-way", "--format", "json", "a.yaml", "b.yaml", "theirs.yaml")
    assert for_machines.status == 1
    assert json.loads(for_machines.out) == {
        "command": "diff",
        "base": "a.yaml",
        "ours": "b.yaml",
        "theirs": "theirs.yaml",
        "conflicts": [{"path": "owner", "base": "me", "theirs": "them"}],
    }


def test_a_merge_that_breaks_a_rule_is_written_with_a_warning(folder: Path) -> None:
    for name, ids in (("base", "ab"), ("ours", "a"), ("theirs", "b")):
        stages = "".join(f"  - name: {stage}\n" for stage in ids)
        (folder / f"{name}.yaml").write_text(f"id: e\nbackend: {{id: b}}\npipeline:\n{stages}")
    result = run("diff", "--three-way", "base.yaml", "ours.yaml", "theirs.yaml", "-o", "m.yaml")
    assert result.status == 0
    assert re.fullmatch(r"crucible-ir: m.yaml: warning: pipeline: .* \[.*\]\n", result.err)
    assert (folder / "m.yaml").exists()
