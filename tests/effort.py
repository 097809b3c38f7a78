"""The number of generated examples of a test: all on CI, and a fifth elsewhere."""

from __future__ import annotations

import os

ON_CI = bool(os.environ.get("CI"))

#: The share of the examples to try; `make nightly` tries ten times as many as CI.
_SHARE = float(os.environ.get("CRUCIBLE_IR_EXAMPLES") or (1 if ON_CI else 0.2))


def examples(full: int) -> int:
    """Return the number of examples to try, given the number on CI."""
    return max(1, round(full * _SHARE))


def sample_size(all_examples: int) -> int:
    """Return how many of a given number of examples to try."""
    return min(all_examples, examples(all_examples))
