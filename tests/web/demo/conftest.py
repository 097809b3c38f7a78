"""A folder with example data, filled once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crucible_ir.web.demo.filling import prepare
from crucible_ir.web.demo.steps import Step
from crucible_ir.web.demo.story import story


@pytest.fixture(scope="package")
def now() -> datetime:
    """The time at which the story ends."""
    return datetime.now(UTC)


@pytest.fixture(scope="package")
def steps(now: datetime) -> list[Step]:
    return story(now)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> Path:
    """The folder of the filled exchange, which tests must not change."""
    folder = tmp_path_factory.mktemp("demo")
    asyncio.run(asyncio.wait_for(prepare(folder, lambda: steps), 60))
    return folder
