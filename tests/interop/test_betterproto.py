"""betterproto2 alone passes the published cases in binary and JSON, except for known failures."""

from __future__ import annotations

import pytest
from interop import executors

from crucible_ir.conformance.results import CaseVerdict

pytestmark = pytest.mark.slow


def test_betterproto2_conforms_in_binary_and_json_save_its_expected_failures() -> None:
    run = executors.check_conformance("betterproto", offered={"binary", "json"})
    assert run.cases[CaseVerdict.PASSED] > 3_700
    for aspect in ("binary", "json"):
        assert CaseVerdict.NOT_OFFERED not in run.aspects[aspect]
    for aspect in ("violations", "digest"):
        assert CaseVerdict.PASSED not in run.aspects[aspect]
