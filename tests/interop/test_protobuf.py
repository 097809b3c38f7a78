"""The guide's executor for google's protobuf and protovalidate is independent of this package."""

from __future__ import annotations

import ast
from fnmatch import fnmatch

import pytest
from google.protobuf import __version__ as protobuf_version
from interop import executors

pytestmark = pytest.mark.slow


def test_it_conforms_except_for_known_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    known = executors.known_failures("protobuf")
    if int(protobuf_version.split(".")[0]) < 7:
        # Its parser looks into unknown groups.
        known = tuple(each for each in known if not fnmatch(each.pattern, "unknown_fields_malf*"))
    monkeypatch.setattr(executors, "known_failures", lambda _: known)
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
