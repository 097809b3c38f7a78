"""How all tests run: Hypothesis repeats itself on CI alone, and what was skipped is named.

On a developer's machine Hypothesis searches.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# The first example pays for imports and for the rules that protovalidate compiles, and generated
# messages are large: how long an example takes says nothing about the code.
_PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

settings.register_profile("ci", _PATIENT, derandomize=True, print_blob=True)
settings.register_profile("dev", _PATIENT)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# gRPC prepares for forks that go on using it. Tests fork only to run other programs, and doing so
# in the midst of a call has ended the process. It is read when grpc is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

# Modules that tests import: pytest would import them a second time to look for doctests.
collect_ignore = ["every_feature.py", "message_strategies.py", "pages.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was skipped: a line for each reason, such as a language that is not installed."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)
    )
    for reason, count in sorted(reasons.items()):
        text = reason.removeprefix("Skipped: ")
        terminalreporter.write_line(f"{count} test{'' if count == 1 else 's'} skipped: {text}")
