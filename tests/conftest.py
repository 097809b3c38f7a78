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


TESTS = Path(__file__).parent
#: The folders whose tests need an environment of their own, and the markers that select them.
OWN_ENVIRONMENTS = {
    TESTS / "bulk" / "cluster": "ray",
    TESTS / "bulk" / "spark": "spark",
    TESTS / "interchange" / "judges": "judge",
    TESTS / "native": "native",
    TESTS / "tracking" / "trainer": "trainer",
    TESTS / "web" / "browser": "web",
    TESTS / "web" / "judges": "web",
    TESTS / "workflow": "web",
}


def _marker_of(path: Path) -> str | None:
    """Return the marker of the folder with its own environment that a path is in, if any."""
    markers = (name for folder, name in OWN_ENVIRONMENTS.items() if path.is_relative_to(folder))
    return next(markers, None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out tests that need another environment, and modules that tests import."""
    marker = _marker_of(collection_path)
    if marker is not None and config.option.markexpr != marker:
        return True
    # Their doctests are not looked for.
    if collection_path.suffix == ".py" and not collection_path.name.startswith("test_"):
        return True if collection_path.is_relative_to(TESTS) else None
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need an environment of their own."""
    for item in items:
        marker = _marker_of(item.path)
        if marker is not None:
            item.add_marker(marker)
        if marker not in (None, "native"):
            # The code of others warns as it likes.
            item.add_marker(pytest.mark.filterwarnings("default"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each reason to skip tests, such as a language that is not installed."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)
    )
    for reason, count in sorted(reasons.items()):
        text = reason.removeprefix("Skipped: ")
        terminalreporter.write_line(f"{count} test{'' if count == 1 else 's'} skipped: {text}")
