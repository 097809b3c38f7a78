"""The guide's executor for google's protobuf and protovalidate is independent of this package."""

from __future__ import annotations

import ast

import pytest
from interop import executors

pytestmark = pytest.mark.slow


def test_it_conforms_except_for_known_failures() -> None:
    executors.check_conformance("protobuf")


def test_it_imports_nothing_of_this_package() -> None:
    tree = ast.parse((executors.FOLDER / "protobuf" / "executor.py").read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert "protovalidate" in imported
    assert not any(name.startswith("crucible_ir") for name in imported)
