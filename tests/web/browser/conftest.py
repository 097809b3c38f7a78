"""The tests of `make test-web`: a real browser, and the console on the example data.

Only `-m web` collects them, because they need an environment of their own and Debian's chromium.
Playwright is imported by functions, so that types can be checked without it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from web.browser.browsing import Browser
from web.browser.sites import Site, fill, serving


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with example data that no server uses, and the tokens of the callers."""
    folder = tmp_path_factory.mktemp("filled")
    return folder, fill(folder)


@pytest.fixture(scope="session")
def demo(
    filled: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The console of `crucible-ir demo`, which requires no token."""
    folder = tmp_path_factory.mktemp("demo")
    data = shutil.copytree(filled[0], folder / "data")
    with serving(folder / "log", "demo", "--data", str(data)) as site:
        yield site


@pytest.fixture(scope="session")
def guarded(
    filled: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The console of an exchange that requires tokens and logs everything."""
    folder = tmp_path_factory.mktemp("guarded")
    data = shutil.copytree(filled[0], folder / "data")
    options = ["--store", f"{data}/exchange.db", "--tokens", f"{data}/tokens.json"]
    with serving(folder / "log", "serve", *options, "--log-level", "debug") as site:
        yield site


@pytest.fixture(scope="session")
def tokens(filled: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return filled[1]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is not installed: apt-get install chromium")
    # Chromium's sandbox does not work for root, who runs the tests in containers.
    with Browser.started(program, sandbox=os.geteuid() != 0) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser; the test fails if a page of it reported a problem."""
    yield chromium
    chromium.close_pages()
    assert not chromium.take_problems()
