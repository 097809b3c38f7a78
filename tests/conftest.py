"""How all tests run."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from effort import ON_CI, examples
from hypothesis import HealthCheck, settings

# The first example pays for imports and for the rules that protovalidate compiles, and generated
# messages are large: the time of an example says nothing about the code.
_PATIENT = settings(
    deadline=None,
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# CI tries the same examples on every run. Elsewhere, Hypothesis searches for new ones.
settings.register_profile("ci", _PATIENT, derandomize=True, print_blob=True)
settings.register_profile("dev", _PATIENT)
settings.load_profile("ci" if ON_CI else "dev")

# gRPC prepares for forks that go on using it. Tests fork only to run other programs, and a fork
# during a call has ended the process. gRPC reads this when it is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Look for doctests in the tests, not in the modules that they import."""
    if collection_path.suffix == ".py" and not collection_path.name.startswith("test_"):
        return True if collection_path.is_relative_to(Path(__file__).parent) else None
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each reason to skip tests, such as a language that is not installed."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)
    )
    for reason, count in sorted(reasons.items()):
        text = reason.removeprefix("Skipped: ")
        terminalreporter.write_line(f"{count} test{'' if count == 1 else 's'} skipped: {text}")
