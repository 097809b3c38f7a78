"""The tests of `make test-native`: every answer of the native core is compared with other programs.

Only `-m native` collects them, because the core is built with Rust. If it is not installed, they
fail. The package's own functions run in pure Python here, so that they can be compared with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# The package reads it when it is imported.
os.environ["CRUCIBLE_IR_NATIVE"] = "0"


@pytest.fixture(autouse=True)
def no_panic() -> Iterator[None]:
    """Fail a test in which the core panicked, which it reports as being uncertain."""
    from native.core import panics

    before = panics()
    yield
    assert panics() == before, "the core panicked"
