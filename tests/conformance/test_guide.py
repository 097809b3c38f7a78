"""The guide shows the tested executor and the real output of its commands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from pages import ROOT, check_commands, check_links, fences

from crucible_ir.conformance.comparison import ASPECTS
from crucible_ir.conformance.runner import MAX_RESTARTS
from crucible_ir.conformance.suites import select_cases, suite_folder

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
EXECUTOR = ROOT / "tests" / "interop" / "protobuf" / "executor.py"


def test_the_guide_shows_the_tested_executor() -> None:
    [code] = [text for language, text in fences(GUIDE) if language == "python"]
    assert code == EXECUTOR.read_text(encoding="utf-8")


def test_every_command_prints_the_output_in_the_guide(tmp_path: Path) -> None:
    shutil.copy(EXECUTOR, tmp_path)
    [(name, text)] = re.findall(r"^```text (\S+)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert check_commands(GUIDE, tmp_path, {"crucible-ir"}) >= 10


def test_every_link_is_valid() -> None:
    check_links(GUIDE, ROOT / "docs")


def test_the_numbers_and_names_in_the_guide_are_correct() -> None:
    named = re.findall(r"^\| (\w+) \|", GUIDE.partition("## Comparison")[2], re.MULTILINE)
    assert named[: 1 + len(ASPECTS)] == ["aspect", *ASPECTS]
    assert f"is restarted, at most {MAX_RESTARTS} times" in GUIDE
    [least] = re.findall(r"more than ([\d,]+) published cases", GUIDE)
    assert len(select_cases(suite_folder())) > int(least.replace(",", ""))


def test_every_topic_is_named_in_the_guide() -> None:
    about = GUIDE.partition("## The cases")[2]
    patterns = re.findall(r"`([a-z_]+)(\*?)`", about)
    topics = {path.stem for path in suite_folder().glob("*.txtpb")}
    assert [
        topic
        for topic in topics
        if not any(topic == name or (star and topic.startswith(name)) for name, star in patterns)
    ] == []
