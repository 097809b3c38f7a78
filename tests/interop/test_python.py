"""This package's own executor passes every published case."""

from __future__ import annotations

import pytest
from interop import executors

from crucible_ir.conformance.comparison import ASPECTS
from crucible_ir.conformance.results import CaseVerdict

pytestmark = pytest.mark.slow


def test_python_passes_every_case_in_every_aspect() -> None:
    assert executors.known_failures("python") == ()
    run = executors.check_conformance("python")
    assert set(run.cases) == {CaseVerdict.PASSED}
    for aspect in ASPECTS:
        assert set(run.aspects[aspect]) == {CaseVerdict.PASSED}, aspect
