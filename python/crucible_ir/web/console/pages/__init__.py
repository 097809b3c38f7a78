"""The pages, one module for each; `MODULES` lists them in the order of the index."""

from __future__ import annotations

from crucible_ir.web.console.pages import (
    document,
    documents,
    edit,
    find,
    history,
    home,
    promote,
    run,
    run_comparison,
    runs,
    sign_in,
)

#: Each has `PAGES` and `ACTIONS`.
MODULES = (
    home,
    runs,
    run_comparison,
    run,
    documents,
    document,
    edit,
    promote,
    history,
    find,
    sign_in,
)
