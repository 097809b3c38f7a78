"""The number of generated examples of a test: all on CI, and a fifth elsewhere."""

from __future__ import annotations

import os

ON_CI = bool(os.environ.get("CI"))


def examples(full: int) -> int:
    """Return the number of examples to try, given the number on CI."""
    return full if ON_CI else max(1, full // 5)
