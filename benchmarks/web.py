"""Measures the console in a browser, and fails if it misses a budget.

- **First page**: what is published in an exchange with 100,000 documents of one type, and the list
  of that type, each in a new profile without a cache: the bytes of everything that the browser
  loads, as they are transferred, and the time from the request to the end of loading.
- **Run**: from the click on a training run of 100,000 records in the list to the picture: the time
  until the browser has drawn the frame that has the curves.
- Each time is the median of several rounds, after one that is not counted. The exchange and the
  console run in one process, the browser in others.

`make bench-web` runs it in the environment of the tests of the browser.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from web.browser.browsing import Browser
from web.browser.sites import Site, fill, serving

from crucible_ir.building.constructors import new_model_version
from crucible_ir.exchange import ExchangeClient
from crucible_ir.v1 import ModelVersion

#: The budgets: bytes and seconds of a first page, and seconds from a click to the picture.
MOST_BYTES: Final = 100_000
MOST_SECONDS: Final = 0.5
MOST_PICTURE_SECONDS: Final = 0.3

ROUNDS: Final = 7
LONG_RUN: Final = "router-1.3-distil"

#: What the browser measured: the bytes of the page and of what it loads, and the milliseconds from
#: the request to the end of loading.
_LOADED: Final = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const all = [page, ...performance.getEntriesByType("resource")];
  return [all.reduce((sum, each) => sum + each.transferSize, 0), page.loadEventEnd];
}"""

#: Resolves with the time after the next frame is drawn, in milliseconds since 1970.
_DRAWN: Final = """() => new Promise(resolve => requestAnimationFrame(() => setTimeout(
  () => resolve(performance.timeOrigin + performance.now()))))"""


def main() -> int:
    """Print the figures; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=100_000, metavar="N")
    arguments = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        fill(folder / "data")
        store = str(folder / "data" / "exchange.db")
        with (
            serving(folder / "log", "serve", "--store", store) as site,
            Browser.started(program, sandbox=os.geteuid() != 0) as browser,
        ):
            publish_many(site, arguments.documents)
            good = [
                measure_first(browser, site, "What changed", ""),
                measure_first(browser, site, "Model versions", "documents/ModelVersion"),
                measure_run(browser, site),
            ]
    return 0 if all(good) else 1


def publish_many(site: Site, count: int) -> None:
    """Publish versions of one model."""
    begun = time.perf_counter()
    with ExchangeClient(site.address) as client:
        for outcome in client.publish_many(versions(count)):
            if outcome.error is not None:
                raise outcome.error
    print(f"published {count:,} documents in {time.perf_counter() - begun:.0f} s")


def versions(count: int) -> Iterator[ModelVersion]:
    """Yield versions of one model."""
    for number in range(count):
        yield new_model_version(
            id=f"generated-{number:06d}",
            model_id="generated",
            version=f"0.{number}.0",
            metrics={"accuracy": (number % 1_000) / 1_000, "loss": 1 / (1 + number)},
            created_by="benchmark",
        )


def measure_first(browser: Browser, site: Site, title: str, path: str) -> bool:
    """Measure a page in new profiles; return whether it is within the budgets."""
    measured = []
    for _ in range(ROUNDS + 1):
        page = browser.page()
        page.goto(site.url + path, wait_until="load")
        measured.append(page.evaluate(_LOADED))
        browser.close_pages()
    size = max(size for size, _ in measured)
    seconds = statistics.median(ms for _, ms in measured[1:]) / 1000
    good = bool(size <= MOST_BYTES and seconds <= MOST_SECONDS)
    limits = f"{MOST_BYTES // 1000} kB, {MOST_SECONDS} s"
    print(f"{title}: {size / 1000:.1f} kB in {seconds:.3f} s (at most {limits}){mark(good)}")
    return good


def measure_run(browser: Browser, site: Site) -> bool:
    """Measure the time from a click on a run to its picture."""
    page = browser.page()
    measured = [clicked_to_drawn(page, site) for _ in range(ROUNDS + 1)]
    browser.close_pages()
    seconds = statistics.median(measured[1:])
    good = seconds <= MOST_PICTURE_SECONDS
    print(
        f"Run of 100,000 records: {seconds:.3f} s from the click to the picture"
        f" (at most {MOST_PICTURE_SECONDS} s){mark(good)}"
    )
    return good


def clicked_to_drawn(page: Any, site: Site) -> float:
    """Return the seconds from the click on the run to the frame with its curves."""
    page.goto(f"{site.url}runs?where={LONG_RUN}", wait_until="load")
    page.evaluate(
        "addEventListener('click', () => sessionStorage.clicked ="
        " performance.timeOrigin + performance.now(), true)"
    )
    page.get_by_role("main").get_by_role("link", name=LONG_RUN, exact=True).first.click()
    page.locator("main svg path").first.wait_for()
    drawn = page.evaluate(_DRAWN)
    return float(drawn - page.evaluate("Number(sessionStorage.clicked)")) / 1000


def mark(good: bool) -> str:
    """Return the end of a line about a budget."""
    return "" if good else ": MISSED"


if __name__ == "__main__":
    raise SystemExit(main())
