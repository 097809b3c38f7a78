"""A tree as HTML: nested lists that are readable without the style sheet, and no scripts."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.text import Text

from crucible_ir.showing.history import History

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree

#: The colours of each theme: text, background, and those of the styles of `tree.STYLES`.
_LIGHT: Final = (
    "--text: #1f2328; --back: #ffffff; --aside: #59636e; --good: #1a7f37; --bad: #c2252c;"
    " --word: #8250df; --number: #0a5fc2"
)
_DARK: Final = (
    "--text: #e6edf3; --back: #1b1f24; --aside: #9aa4ae; --good: #56d364; --bad: #ff7b72;"
    " --word: #d2a8ff; --number: #79c0ff"
)

#: What themes set: JupyterLab, Visual Studio Code, and documentation built with Sphinx or MkDocs.
_LIGHT_THEMES: Final = (
    '[data-jp-theme-light="true"]',
    ".vscode-light",
    '[data-theme="light"]',
    '[data-md-color-scheme="default"]',
)
_DARK_THEMES: Final = (
    '[data-jp-theme-light="false"]',
    ".vscode-dark",
    '[data-theme="dark"]',
    '[data-md-color-scheme="slate"]',
)


def _selector(themes: tuple[str, ...]) -> str:
    return ", ".join(f"{theme} .crucible-ir" for theme in themes)


_STYLE: Final = f"""
.crucible-ir {{ {_LIGHT}; color: var(--text); background: var(--back); padding: 0.5em 1em;
  font-family: monospace; font-size: 13px; line-height: 1.5; overflow-x: auto; }}
@media (prefers-color-scheme: dark) {{ .crucible-ir {{ {_DARK} }} }}
{_selector(_LIGHT_THEMES)} {{ {_LIGHT} }}
{_selector(_DARK_THEMES)} {{ {_DARK} }}
.crucible-ir ul {{ list-style: none; margin: 0; padding-left: 1.5em; }}
.crucible-ir li {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
.crucible-ir summary {{ cursor: pointer; }}
.crucible-ir table {{ border-collapse: collapse; background: none; color: inherit; }}
.crucible-ir td, .crucible-ir th {{ padding: 0 1em 0 0; text-align: right; white-space: pre; }}
.crucible-ir td:first-child, .crucible-ir th:first-child, .crucible-ir td:last-child
  {{ text-align: left; }}
.crucible-ir .name {{ font-weight: bold; }}
.crucible-ir .aside {{ color: var(--aside); }}
.crucible-ir .good, .crucible-ir .text {{ color: var(--good); }}
.crucible-ir .bad {{ color: var(--bad); font-weight: bold; }}
.crucible-ir .word {{ color: var(--word); }}
.crucible-ir .number {{ color: var(--number); }}
"""


def to_html(tree: Tree) -> str:
    """Return a tree as HTML. Every text of the message is escaped."""
    return f'<div class="crucible-ir"><style>{_STYLE}</style>{"".join(_node(tree))}</div>'


def _node(tree: Tree) -> Iterator[str]:
    label = _label(tree.label)
    if not tree.children:
        yield label
        return
    yield f"<details open><summary>{label}</summary><ul>"
    for child in tree.children:
        yield "<li>"
        yield from _node(child)
        yield "</li>"
    yield "</ul></details>"


def _label(label: RenderableType) -> str:
    if isinstance(label, History):
        return "".join(_tables(label))
    assert isinstance(label, Text), "the tree has texts and histories"
    return "".join(_segments(label))


def _segments(text: Text) -> Iterator[str]:
    """Yield the parts of a text, each with the class of its style."""
    if text.style:
        yield f'<span class="{text.style}">{html.escape(text.plain)}</span>'
        return
    end = 0
    for span in text.spans:
        yield html.escape(text.plain[end : span.start])
        part = html.escape(text.plain[span.start : span.end])
        yield f'<span class="{span.style}">{part}</span>' if span.style else part
        end = span.end
    yield html.escape(text.plain[end:])


def _tables(history: History) -> Iterator[str]:
    for heading, *rows in history.tables():
        yield f"<table><tr>{_cells(heading, 'th')}</tr>"
        for row in rows:
            yield f"<tr>{_cells(row, 'td')}</tr>"
        yield "</table>"


def _cells(row: tuple[str, ...], tag: str) -> str:
    return "".join(f"<{tag}>{html.escape(value)}</{tag}>" for value in row)
