"""This package passes the published cases with protobuf's implementation in pure Python as well.

protobuf 6 is not tested: in pure Python, the time in which it writes opaque JSON doubles with each
level of nesting.
"""

from __future__ import annotations

import pytest
from interop import executors

from crucible_ir.conformance.comparison import ASPECTS
from crucible_ir.conformance.results import CaseVerdict

pytestmark = pytest.mark.slow


def test_every_case_passes_except_for_known_failures_of_protobuf() -> None:
    # upb passes these cases, and a known failure that passes is an error.
    assert executors.known_failures("pure_python")
    run = executors.check_conformance("pure_python")
    assert set(run.cases) == {CaseVerdict.PASSED, CaseVerdict.EXPECTED_FAILURE}
    for aspect in ASPECTS:
        assert CaseVerdict.NOT_OFFERED not in run.aspects[aspect]
