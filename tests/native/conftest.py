"""The tests of `make test-native`: every answer of the native core is compared with other programs.

Only `-m native` collects them, because the core is built with Rust. If it is not installed, they
fail. The package's own functions run in pure Python here, so that they can be compared with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent

# The package reads it when it is imported.
os.environ["CRUCIBLE_IR_NATIVE"] = "0"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folder out of every run but that of `-m native`."""
    return None if config.option.markexpr == "native" else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.native)


@pytest.fixture(autouse=True)
def no_panic() -> Iterator[None]:
    """Fail a test in which the core panicked, which it reports as being uncertain."""
    from native.core import panics

    before = panics()
    yield
    assert panics() == before, "the core panicked"
