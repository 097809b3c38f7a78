"""Tests of `make test-trainer`, in a Trainer of Hugging Face with PyTorch.

Only `-m trainer` collects them, because they need an environment of their own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folder out of every run but that of `-m trainer`."""
    return None if config.option.markexpr == "trainer" else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.trainer)
            # The code of others warns as it likes.
            item.add_marker(pytest.mark.filterwarnings("default"))
