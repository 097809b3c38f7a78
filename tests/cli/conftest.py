"""What every test of the command line has around it: an empty folder and no settings."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without what the environment says about colour."""
    monkeypatch.chdir(tmp_path)
    for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "CRUCIBLE_IR_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path
