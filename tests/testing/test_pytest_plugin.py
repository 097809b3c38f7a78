"""A failed comparison in the tests of others shows what differs between two messages."""

from __future__ import annotations

import subprocess
import sys

import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.pytest_plugin import pytest_assertrepr_compare
from crucible_ir.testing import assert_equal

pytest_plugins = ["pytester"]

TESTS = """
    import pytest

    import crucible_ir as ir
    from crucible_ir import v1
    from crucible_ir.testing import assert_equal

    ONE = v1.Experiment(
        id="e", backend=v1.BackendRef(id="gpt2"), pipeline=[v1.StageDef(name="train")], tags=["a"]
    )
    OTHER = v1.Experiment(
        id="e", backend=v1.BackendRef(id="llama"),
        pipeline=[v1.StageDef(name="train", module="Train")],
    )

    def test_messages():
        assert ONE == OTHER

    def test_lists():
        assert [ONE, *ONE.pipeline] == [ONE, *OTHER.pipeline, ONE]

    def test_repeated_fields():
        assert ONE.pipeline == OTHER.pipeline

    def test_types():
        assert v1.StageDef(name="a") == v1.ModelRef(id="a")

    def test_unknown_fields():
        assert v1.StageDef.FromString(b"\\xfa\\x7f\\x00") == v1.StageDef(name="a")

    def test_others():
        assert "ONE" == "OTHER"

    def test_long_values():
        assert v1.StageDef(name="a" * 300) == v1.StageDef()

    def test_equal():
        assert ONE == ONE and ONE != OTHER

    def test_assert_equal():
        assert_equal(ONE, OTHER)
"""


@pytest.fixture
def failures(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run the tests as a user does, without any setting, and return what is shown of each."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=120)
    result.assert_outcomes(passed=1, failed=8)
    shown: dict[str, str] = {}
    for line in result.outlines:
        if line.startswith("____") and " test_" in line:
            name = line.strip("_ ").removeprefix("test_")
            shown[name] = ""
        elif line.startswith("E ") and shown:
            shown[name] += line[1:].strip() + "\n"
    return shown


def test_pytest_shows_what_differs_without_any_setting(failures: dict[str, str]) -> None:
    assert failures["messages"].splitlines() == [
        "assert Experiment differs: 1 added, 1 removed, 1 changed",
        "--- left",
        "+++ right",
        '~ backend.id: "gpt2" → "llama"',
        '+ pipeline["train"].module: "Train"',
        '- tags[0]: "a"',
    ]
    assert failures["lists"].splitlines() == [
        "assert the lists differ",
        "left has 2 messages, right has 3 messages",
        "[1] StageDef differs: 1 added",
        "--- left",
        "+++ right",
        '+ module: "Train"',
        "[2] Experiment: only in right",
    ]
    assert "[0] StageDef differs: 1 added" in failures["repeated_fields"]
    assert "the types differ: left StageDef, right ModelRef" in failures["types"]
    assert "… (302 characters)" in failures["long_values"]
    assert failures["assert_equal"].splitlines()[:3] == [
        "AssertionError: Experiment differs: 1 added, 1 removed, 1 changed",
        "--- expected",
        "+++ actual",
    ]
    # What cannot be compared, pytest shows as it is.
    assert failures["unknown_fields"].startswith("assert ")
    assert "differs" not in failures["unknown_fields"]
    assert "assert 'ONE' == 'OTHER'" in failures["others"]


@pytest.mark.parametrize(
    ("op", "left", "right"),
    [
        ("!=", v1.StageDef(), v1.StageDef()),
        ("==", v1.StageDef(), None),
        ("==", [v1.StageDef()], []),
        ("==", [v1.StageDef()], ["a"]),
        ("==", v1.StageDef(), v1.StageDef()),
        ("==", [], [v1.StageDef()]),
        ("==", v1.StageDef.DESCRIPTOR, v1.StageDef()),
    ],
)
def test_other_comparisons_are_left_to_pytest(
    op: str, left: object, right: object, pytestconfig: pytest.Config
) -> None:
    assert pytest_assertrepr_compare(pytestconfig, op, left, right) is None


def test_the_plugin_imports_nothing_that_takes_time() -> None:
    script = "import sys, crucible_ir.pytest_plugin; print('google' in sys.modules)"
    out = subprocess.check_output([sys.executable, "-c", script], text=True, timeout=60)
    assert out == "False\n"


def test_assert_equal_takes_the_options_of_diff() -> None:
    stats = v1.Stats(alpha=0.05)
    assert_equal(stats, v1.Stats(alpha=0.0500001), tolerance=1e-6)
    assert_equal(v1.TrainingConfig(), v1.TrainingConfig(epochs=1), defaults_equal=True)
    with pytest.raises(AssertionError, match=r"TrainingConfig differs: 1 removed"):
        assert_equal(v1.TrainingConfig(), v1.TrainingConfig(epochs=1))
    with pytest.raises(ir.Error, match="tolerance"):
        assert_equal(stats, stats, tolerance=-1)
