"""Chromium for tests: pages that record errors, and what axe finds in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: The milliseconds that a page may take for anything.
TIMEOUT_MS = 15_000

#: Reports violations of the policy on content as errors, also of reports that only tell.
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", event => {
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""

#: The rules of axe that tests check: WCAG 2.2 at the levels A and AA, and best practices.
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Browser:
    """Chromium, with a new profile for each page.

    Attributes:
        program: The browser of Playwright.
        problems: What pages reported so far.
    """

    program: Any
    problems: list[str] = field(default_factory=list)
    _contexts: list[Any] = field(default_factory=list)
    _axe: str = field(default="", repr=False)

    @classmethod
    @contextmanager
    def started(cls, program: str, *, sandbox: bool) -> Iterator[Browser]:
        """Run a program of Chromium."""
        from axe_playwright_python.base import AXE_SCRIPT
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            arguments = [] if sandbox else ["--no-sandbox"]
            browser = playwright.chromium.launch(executable_path=program, args=arguments)
            yield cls(browser, _axe=AXE_SCRIPT)
            browser.close()

    def page(self, *, width: int = 1440, dark: bool = False, scripts: bool = True) -> Any:
        """Return a page in a new profile, whose errors become problems.

        Args:
            width: The width of the window.
            dark: Whether the system of the reader is dark.
            scripts: Whether JavaScript is enabled.
        """
        context = self.program.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(TIMEOUT_MS)
        self._contexts.append(context)
        page = context.new_page()
        if scripts:
            page.add_init_script(_REPORT_VIOLATIONS)
        page.on("console", lambda message: self._said(page, message))
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("dialog", lambda dialog: self._dialog(page, dialog))
        return page

    def _said(self, page: Any, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{page.url}: {message.text}")

    def _dialog(self, page: Any, dialog: Any) -> None:
        self.problems.append(f"{page.url}: a dialog says {dialog.message}")
        dialog.dismiss()

    def take_problems(self) -> list[str]:
        """Return the problems so far, and forget them."""
        problems, self.problems = self.problems, []
        return problems

    def close_pages(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def axe(self, page: Any) -> list[str]:
        """Return what axe finds in a page."""
        if not page.evaluate("typeof axe === 'object'"):
            page.evaluate(self._axe)
        found = page.evaluate(
            "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", _TAGS
        )
        return [
            f"{violation['id']}: {node['html'][:160]} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"][:3]
        ]


def overflow(page: Any) -> int:
    """Return by how many pixels a page is wider than its window."""
    scrolled = page.evaluate(
        "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
    )
    return int(scrolled)
