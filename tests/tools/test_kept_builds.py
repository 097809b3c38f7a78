"""A build is kept for the same inputs, and made again when one of them changes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kept_builds import kept_build


class Compiler:
    """Counts its builds, and copies its source into the folder."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "main.go"
        self.source.write_text("one")
        self.target = folder / "build"
        self.builds = 0
        self.tools = ["go 1.26.8"]

    def compile(self) -> None:
        assert list(self.target.iterdir()) == []
        self.builds += 1
        (self.target / "program").write_text(self.source.read_text())
        if self.source.read_text() == "bad":
            raise ZeroDivisionError

    def run(self) -> bool:
        return kept_build(self.target, [self.source], self.compile, tools=self.tools)


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path)


def test_the_same_inputs_are_built_once(compiler: Compiler) -> None:
    assert [compiler.run(), compiler.run()] == [True, False]
    assert compiler.builds == 1


def test_a_changed_file_or_tool_is_built_in_an_empty_folder(compiler: Compiler) -> None:
    compiler.run()
    compiler.source.write_text("two")
    assert compiler.run()
    assert (compiler.target / "program").read_text() == "two"
    compiler.tools = ["go 1.27"]
    assert compiler.run()
    assert not compiler.run()


def test_a_failed_build_is_made_again(compiler: Compiler) -> None:
    compiler.source.write_text("bad")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            compiler.run()
    compiler.source.write_text("good")
    assert [compiler.run(), compiler.run()] == [True, False]


def test_concurrent_calls_build_once(compiler: Compiler) -> None:
    def slowly() -> None:
        compiler.compile()
        time.sleep(0.2)

    def run(_: int) -> bool:
        return kept_build(compiler.target, [compiler.source], slowly)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [False, False, False, True]
    assert compiler.builds == 1
