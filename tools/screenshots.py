"""Takes the screenshots of the console in the guide, from the example data.

`make screenshots` runs it in the environment of the tests of the browser. It needs chromium.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from web.browser.browsing import Browser
from web.browser.sites import Site, fill, serving

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"

#: The images: their names, the pages, and whether they are in the dark theme.
PAGES: Final = (
    ("changes", "", False),
    ("run", "runs/router-distil-hot", False),
    ("deployment", "deployments/router-prod", False),
    ("feedback", "feedback?deployment=router-prod", True),
    ("comparison", "runs/compare?filter=tags:sweep", True),
)

#: The size of the window, and the colours of an image: few are enough for text and lines.
_SIZE: Final = {"width": 1280, "height": 800}
_COLORS: Final = 128


def main() -> None:
    """Write the images."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("chromium is not installed: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        fill(folder / "data")
        store = str(folder / "data" / "exchange.db")
        with (
            serving(folder / "log", "serve", "--store", store) as site,
            Browser.started(program, sandbox=os.geteuid() != 0) as browser,
        ):
            for image, path, dark in PAGES:
                take(browser, site, image, path, dark=dark)
            if problems := browser.take_problems():
                raise SystemExit("\n".join(problems))


def take(browser: Browser, site: Site, image: str, path: str, *, dark: bool) -> None:
    """Write the image of one page."""
    page = browser.page(dark=dark)
    page.set_viewport_size(_SIZE)
    answer = page.goto(site.url + path)
    if answer.status != 200:
        raise SystemExit(f"{path}: the console answers {answer.status}")
    page.wait_for_timeout(1_000)
    file = IMAGES / f"console-{image}.png"
    file.write_bytes(reduced(page.screenshot()))
    browser.close_pages()
    print(f"{file.relative_to(IMAGES.parents[1])}: {file.stat().st_size / 1000:.0f} kB")


def reduced(png: bytes) -> bytes:
    """Return an image with few colours."""
    from PIL import Image

    image: Any = Image.open(BytesIO(png)).convert("RGB")
    result = BytesIO()
    image.quantize(_COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        result, "PNG", optimize=True
    )
    return result.getvalue()


if __name__ == "__main__":
    main()
