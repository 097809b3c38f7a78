"""The pages, one module for each; `MODULES` lists them in the order of the index."""

from __future__ import annotations

from crucible_ir.web.console.pages import (
    audit,
    deployment,
    deployments,
    document,
    documents,
    edit,
    evaluations,
    feedback,
    find,
    history,
    home,
    lineage,
    playground,
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
    evaluations,
    deployments,
    deployment,
    feedback,
    documents,
    document,
    edit,
    promote,
    history,
    lineage,
    playground,
    audit,
    find,
    sign_in,
)
