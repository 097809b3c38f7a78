"""Tests of `make test-web` that need programs of others: pre-commit, and a kernel of Jupyter.

Only `-m web` collects them, because they need an environment of their own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folder out of every run but that of `-m web`."""
    return None if config.option.markexpr == "web" else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.web)
            # The code of others warns as it likes.
            item.add_marker(pytest.mark.filterwarnings("default"))
