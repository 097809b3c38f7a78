"""Every test of the command line runs in an empty folder, without settings."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without the environment variables for colour."""
    monkeypatch.chdir(tmp_path)
    for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "CRUCIBLE_IR_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path
