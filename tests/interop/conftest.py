"""Fixtures for the tests of several languages: an exchange, and the bytes that Python writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange.client.served import Served
from interop import executors
from interop.secured import Secured

from crucible_ir.conformance.runner import Runner
from crucible_ir.conformance.suites import SavedBinaries, select_cases, suite_folder


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An exchange for one test."""
    server = Served(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.fixture
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """An exchange for one test, with TLS and one token."""
    server = Secured(tmp_path_factory.mktemp("secured"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def written_by_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bytes that Python writes for the published cases, as cases for other executors."""
    saved = SavedBinaries()
    cases = select_cases(suite_folder())
    runner = Runner(executors.command("python"), timeout=executors.TIMEOUT, on_answer=saved.add)
    assert sum(1 for _ in runner.results(cases)) == len(cases)
    assert runner.run.passed
    path = tmp_path_factory.mktemp("python") / "python.binpbs"
    path.write_bytes(saved.content())
    return path
