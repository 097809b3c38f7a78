"""Makes the format of the tests of the machinery known to the commands."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from interchange.test_machinery import TOY

from crucible_ir.interchange.mapping.format import FORMATS


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the format ``toy`` until the end of the test."""
    module = ModuleType("crucible_ir.interchange.toy")
    vars(module)["FORMAT"] = TOY
    monkeypatch.setitem(sys.modules, "crucible_ir.interchange.toy", module)
    monkeypatch.setitem(FORMATS, "toy", "toy")
