"""``crucible-ir conformance``: its output, its files and its exit status."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli.command_line import Result, run
from conformance import misbehaving_executor

from crucible_ir.conformance import v1
from crucible_ir.conformance.suites import read_suites

pytestmark = pytest.mark.slow

OWN = (sys.executable, "-m", "crucible_ir.conformance.executor")
MISBEHAVING = (sys.executable, str(misbehaving_executor.__file__))

GOOD_DIGEST = "sha256:" + hashlib.sha256(b'{"name":"good"}').hexdigest()

#: A suite with a case that expects a wrong digest, and one that this package's executor passes.
SUITE = """\
topic: "stages"

cases {
  name: "good"
  reason: "Its digest is wrong."
  request { message_type: "crucible_ir.v1.StageDef" json: '{"name": "good"}' }
  expected {
    evaluation {
      binary: "\\n\\004good"
      json: '{"name": "good"}'
      broken_rules {}
      digest: "sha256:0000"
    }
  }
}

cases {
  name: "bad"
  reason: "It is cut off."
  request { message_type: "crucible_ir.v1.StageDef" json: '{"name": "bad"' }
  expected { decode_error: "the document is cut off" }
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "stages.txtpb").write_text(SUITE)
    return tmp_path


def conformance(*arguments: object) -> Result:
    return run("conformance", *arguments)


def run_stages(*arguments: object, command: tuple[str, ...] = OWN) -> Result:
    return conformance("run", "--vectors", "stages.txtpb", *arguments, "--", *command)


def test_a_failure_is_shown_with_the_expected_and_the_actual_value() -> None:
    result = run_stages()
    assert result.status == 1
    assert result.lines[:5] == [
        "stages/good: failed",
        "  digest",
        "    expected sha256:0000",
        f"    got      {GOOD_DIGEST}",
        "  Its digest is wrong.",
    ]
    assert result.lines[-1] == "2 cases: 1 passed, 1 failed: does not conform"


def test_a_table_counts_the_verdicts_of_each_aspect() -> None:
    lines = [line.split() for line in run_stages().lines]
    assert ["passed", "failed"] in lines
    for row in (["decode", "2", "0"], ["binary", "1", "0"], ["digest", "0", "1"]):
        assert row in lines


def test_failures_are_counted_by_topic_if_there_are_several_topics(folder: Path) -> None:
    assert not any(line.endswith(" failed") and ": " in line for line in run_stages().lines[5:-1])
    (folder / "others.txtpb").write_text(SUITE.replace('"stages"', '"others"'))
    lines = conformance("run", "--vectors", folder, "--", *OWN).lines
    assert lines[-3:-1] == ["others: 1 failed", "stages: 1 failed"]


def test_the_end_of_the_executor_s_standard_error_is_shown() -> None:
    result = run_stages(command=(*MISBEHAVING, "crash"))
    assert result.status == 1
    assert "stages/bad: failed" in result.lines
    assert any(line.endswith("| RuntimeError: the executor has a bug") for line in result.lines)


def test_cases_are_selected_by_patterns() -> None:
    assert run_stages("--case", "bad").lines[-1] == "1 case: 1 passed: conforms"
    assert run_stages("--case", "stages/b*", "--suite", "sta*").status == 0
    assert run_stages("--case", "good").status == 1
    nothing = run_stages("--case", "ugly")
    assert nothing.status == 2
    assert nothing.err == "crucible-ir: no case matches 'ugly'\n"
    topic = conformance("run", "--suite", "json_txet", "--", *OWN)
    assert topic.err == "crucible-ir: no case matches 'json_txet'; did you mean \"json_text\"?\n"


def test_expected_failures_determine_the_exit_status(folder: Path) -> None:
    known = folder / "known.txt"
    known.write_text("stages/good digest  # the case is wrong\n")
    good = run_stages("--expected-failures", known)
    assert good.status == 0
    assert good.lines[-1] == "2 cases: 1 passed, 1 expected failure: conforms"
    known.write_text("stages/good digest  # the case is wrong\nstages/bad *  # not so\n")
    stale = run_stages("--expected-failures", known)
    assert stale.status == 1
    assert (
        "expected failures, line 2: stages/bad *: stages/bad does not fail: remove or narrow the"
        " line"
    ) in stale.lines
    # An entry for a case that is not selected is not stale.
    assert run_stages("--expected-failures", known, "--case", "good").status == 0
    known.write_text("stages/good\n")
    assert run_stages("--expected-failures", known).status == 2


def test_verbose_shows_every_case_and_every_reason(folder: Path) -> None:
    (folder / "known.txt").write_text("stages/good digest  # the case is wrong\n")
    result = run_stages("--verbose", "--expected-failures", "known.txt")
    assert "stages/bad: passed" in result.lines
    assert "  digest (expected: the case is wrong)" in result.lines


def test_the_json_report_has_every_case(folder: Path) -> None:
    result = run_stages("--format", "json")
    assert result.status == 1
    report = json.loads(result.out)
    assert report["passed"] is False
    assert report["offered"] == ["binary", "json", "violations", "digest"]
    assert report["cases"] == {"failed": 1, "passed": 1}
    assert report["aspects"]["digest"] == {"failed": 1}
    [good, bad] = report["results"]
    assert good["verdict"] == "failed"
    assert [each["aspect"] for each in good["differences"]] == ["digest"]
    assert (bad["name"], bad["verdict"], bad["aspects"]) == (
        "stages/bad",
        "passed",
        {"decode": "passed"},
    )


def test_the_junit_report_has_the_counts_that_build_servers_read(folder: Path) -> None:
    (folder / "known.txt").write_text("stages/none *  # there is none\n")
    result = run_stages(
        "--format", "junit", "--output", "report.xml", "--expected-failures", "known.txt"
    )
    assert result.status == 1
    # The text report still goes to standard output.
    assert result.lines[-1].endswith("does not conform")
    root = ElementTree.parse("report.xml").getroot()
    [stages, whole] = root.findall("testsuite")
    assert (stages.get("tests"), stages.get("failures"), stages.get("skipped")) == ("2", "1", "0")
    [failure] = stages.findall("testcase/failure")
    assert failure.get("message") == "digest"
    [stale] = whole.findall("testcase/failure")
    assert stale.get("message") == "line 1: stages/none *: there is no such case"
    assert whole.get("failures") == "1"


def test_aspects_that_are_not_offered_are_skipped_in_the_junit_report(folder: Path) -> None:
    result = run_stages("--format", "junit", command=(*MISBEHAVING, "offer_little"))
    assert result.status == 0
    root = ElementTree.fromstring(result.out)
    assert [each.get("message") for each in root.iter("skipped")] == ["not offered"] * 2


def test_the_text_report_can_be_written_to_a_file(folder: Path) -> None:
    result = run_stages("--output", "report.txt", "--case", "bad")
    assert result.status == 0
    assert (folder / "report.txt").read_text() == result.out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("no-such-program",), "cannot start 'no-such-program': no such file or directory"),
        ((*MISBEHAVING, "not_start"), "the executor failed to describe itself: it exited with"),
        ((*MISBEHAVING, "not_start"), "  | a library is missing"),
    ],
)
def test_an_executor_that_cannot_be_run_has_its_own_exit_status(
    command: tuple[str, ...], words: str
) -> None:
    result = run_stages(command=command)
    assert result.status == 2
    assert words in result.err


def test_an_error_in_a_file_of_cases_names_the_line(folder: Path) -> None:
    (folder / "broken.txtpb").write_text('topic: "broken"\ncase {}\n')
    result = conformance("run", "--vectors", "broken.txtpb", "--", *OWN)
    assert result.status == 2
    assert "broken.txtpb:2:" in result.err
    (folder / "noise.binpbs").write_bytes(b"\x03abc")
    result = conformance("run", "--vectors", "noise.binpbs", "--", *OWN)
    assert result.status == 2
    assert "noise.binpbs: expected a stream of suites" in result.err
    assert conformance("run", "--vectors", "none.txtpb", "--", *OWN).err == (
        "crucible-ir: none.txtpb: no such file or directory\n"
    )


def test_the_messages_of_one_executor_can_be_sent_to_another(folder: Path) -> None:
    saved = folder / "saved.binpbs"
    assert run_stages("--save-binaries", saved, "--case", "good").status == 1
    [suite] = read_suites(saved)
    [case] = suite.cases
    assert (suite.topic, case.name) == ("stages", "good")
    assert case.request == v1.EvaluateRequest(
        message_type="crucible_ir.v1.StageDef", binary=b"\n\x04good"
    )
    # With another executor's payloads, an expected failure may pass.
    (folder / "known.txt").write_text("stages/good *  # known\nstages/bad *  # known\n")
    result = conformance("run", "--payloads", saved, "--expected-failures", "known.txt", "--", *OWN)
    assert result.status == 0
    assert result.lines[-1] == "1 case: 1 expected failure: conforms"
    both = conformance("run", "--payloads", saved, "--vectors", saved, "--", *OWN)
    assert both.status == 2
    assert "--payloads and --vectors exclude each other" in both.err


def test_cross_passes_if_all_executors_agree() -> None:
    own = shlex.join(OWN)
    result = conformance("cross", "--suite", "opaque", own, own)
    assert result.status == 0, result.out
    assert result.lines[-1].endswith("messages read: all executors agree")
    rows = [line.split() for line in result.lines]
    [count] = {int(cell) for row in rows if row[0] in "AB" and len(row) == 3 for cell in row[1:]}
    assert 20 < count < 100


def test_cross_names_an_executor_that_misreads_the_messages_of_another(folder: Path) -> None:
    careless = folder / "careless.py"
    careless.write_text(CARELESS)
    own = shlex.join(OWN)
    command = shlex.join((sys.executable, str(careless)))
    result = conformance("cross", "--suite", "enums_unknown_numbers", own, command)
    assert result.status == 1
    named = {line.partition(": ")[2] for line in result.lines if " misreads " in line}
    assert named == {"B misreads the message of A", "B misreads the message of B"}
    assert result.lines[-1].endswith("the executors disagree")
    # A failure on the case's own payload is not a disagreement.
    result = conformance("cross", "--suite", "unknown_fields", own, command)
    assert result.status == 0
    assert result.lines[-1].endswith("all executors agree")


#: Reads JSON correctly, but reads every binary message as an empty one.
CARELESS = """\
import sys
from crucible_ir.conformance import executor, frames
while (body := frames.read_frame(sys.stdin.buffer)) is not None:
    request = executor.v1.Request.FromString(body)
    if request.evaluate.HasField("binary"):
        request.evaluate.binary = b""
    sys.stdout.buffer.write(frames.frame(executor.answer(request)))
    sys.stdout.buffer.flush()
"""


def test_a_failure_on_the_same_bytes_in_another_case_is_not_a_disagreement(
    folder: Path,
) -> None:
    careless = folder / "careless.py"
    careless.write_text(CARELESS)
    command = shlex.join((sys.executable, str(careless)))
    good = SUITE.partition('cases {\n  name: "bad"')[0].replace("sha256:0000", GOOD_DIGEST)
    (folder / "good.txtpb").write_text(good)
    arguments = ("cross", "--vectors", "good.txtpb", shlex.join(OWN), command)
    assert conformance(*arguments).status == 1
    payload = 'json: \'{"name": "good"}\' }'
    again = good.partition("cases")[2].replace('name: "good"\n', 'name: "in_binary"\n', 1)
    again = again.replace(payload, 'binary: "\\n\\004good" }')
    (folder / "good.txtpb").write_text(f"{good}cases{again}")
    assert conformance(*arguments).status == 0


@pytest.mark.parametrize("text", ["", "'", "  "])
def test_an_invalid_command_is_a_usage_error(text: str) -> None:
    assert conformance("cross", text).status == 2


def test_list_counts_the_cases_of_each_topic() -> None:
    result = conformance("list")
    assert result.status == 0
    counts = {line.split()[1]: int(line.split()[0].replace(",", "")) for line in result.lines[:-1]}
    assert counts["rules_own"] >= 10
    assert result.lines[-1] == f" {sum(counts.values()):,}  cases in {len(counts)} topics"
    verbose = conformance("list", "--suite", "json_text", "--case", "nul", "--verbose")
    assert verbose.out == (
        "json_text/nul  U+0000 is valid in a string, but C programs truncate the string there.\n"
    )


def test_an_interrupt_ends_the_executor_and_the_run(folder: Path) -> None:
    command = [sys.executable, "-m", "crucible_ir", "conformance", "run", "--vectors"]
    command += ["stages.txtpb", "--timeout", "60", "--", *MISBEHAVING, "hang"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
        # Shells ignore SIGINT in background processes; restore the behaviour of a terminal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    executor = 0
    deadline = time.monotonic() + 60
    while not executor and time.monotonic() < deadline:
        executor = child_of(process.pid)
        time.sleep(0.05)
    assert executor
    # The result of the first case is printed before the second request.
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(executor, 0)


def child_of(pid: int) -> int:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found[0]) if found else 0
