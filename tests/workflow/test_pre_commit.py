"""The hooks for pre-commit, run by it in a repository of a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, blocks

#: What the package is built from, and the hooks.
SOURCES = (
    *(".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"),
    *("python/crucible_ir", "proto", "tests/vectors/conformance"),
)

GOOD = "id: {}\nbackend: {{id: local}}\npipeline: [{{name: train}}]\n"
INVALID = "id: e\nbackend: {id: local}\npipeline: [{name: ''}]\n"
SUSPICIOUS = (
    "id: prod\nmodel_version_id: m\nenvironment: production\noptions: {api_key: sk-123456}\n"
)


def git(folder: Path, *arguments: str, fails: bool = False) -> str:
    """Run git, with pre-commit on the path, and return what it prints."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PRE_COMMIT_HOME": str(folder.parent / "pre-commit"),
        **{f"GIT_{who}_NAME": "ann" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ann@example.com" for who in ("AUTHOR", "COMMITTER")},
    }
    ran = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert (ran.returncode != 0) is fails, ran.stdout
    return ran.stdout


@pytest.fixture
def hooks(tmp_path: Path) -> str:
    """The repository of the hooks, as a commit of its own, with its revision."""
    folder = tmp_path / "hooks"
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Add the hooks")
    return git(folder, "rev-parse", "HEAD").strip()


def test_a_commit_of_bad_documents_is_rejected(tmp_path: Path, hooks: str) -> None:
    page = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
    [configuration] = [text for text in blocks(page, "yaml") if "crucible-ir-validate" in text]
    address = "https://github.com/north-shore-ai/crucible-ir"
    assert address in configuration
    assert "rev: v" in configuration
    repository = tmp_path / "repository"
    repository.mkdir()
    configuration = configuration.replace(address, str(tmp_path / "hooks"))
    revision = configuration.partition("rev: ")[2].split()[0]
    (repository / ".pre-commit-config.yaml").write_text(configuration.replace(revision, hooks))
    git(repository, "init", "--quiet")
    subprocess.run(
        [sys.executable, "-m", "pre_commit", "install"], cwd=repository, check=True, timeout=60
    )
    # A document, one by its folder, and what is none of ours.
    (repository / "train.ir.yaml").write_text(GOOD.format("train"))
    (repository / "experiments").mkdir()
    (repository / "experiments" / "a.yaml").write_text(GOOD.format("a"))
    (repository / "compose.yaml").write_text("services: {}\n")
    git(repository, "add", ".")
    git(repository, "commit", "--message", "Add documents")
    # What breaks a rule, and what only looks like a mistake.
    (repository / "experiments" / "b.yaml").write_text(INVALID)
    (repository / "prod.ir.yaml").write_text(SUSPICIOUS)
    git(repository, "add", ".")
    shown = git(repository, "commit", "--message", "Add mistakes", fails=True)
    assert "validate Crucible IR documents" in shown
    assert "experiments/b.yaml:3:19: pipeline[0].name: must not be empty [required]" in shown
    assert "prod.ir.yaml:4:20: options" in shown
    assert "[opaque.secret]" in shown
    assert "compose.yaml" not in shown
    assert git(repository, "rev-list", "--count", "HEAD").strip() == "1"
