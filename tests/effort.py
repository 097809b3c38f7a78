"""How many generated examples the tests try: all of them on CI, a fifth of them elsewhere."""

from __future__ import annotations

import os

ON_CI = bool(os.environ.get("CI"))


def examples(full: int) -> int:
    """Return how many examples to try of those that CI tries."""
    return full if ON_CI else max(1, full // 5)
