"""The published cases: found in an installed package or in the repository, and read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from crucible_ir.conformance import v1
from crucible_ir.conformance.frames import FrameError, read_frame
from crucible_ir.errors import Error, near_miss

_PACKAGE: Final = Path(__file__).resolve().parents[1]

#: The ending of a file that holds one suite in the text format.
TEXT_ENDING: Final = ".txtpb"


class SuiteError(Error):
    """The cases cannot be found or read."""


@dataclass(frozen=True, slots=True)
class NamedCase:
    """A case and its whole name.

    Attributes:
        topic: The suite's topic.
        case: What is asked and what must come out.
    """

    topic: str
    case: v1.Case

    @property
    def name(self) -> str:
        """The topic and the case's name within it, as ``timestamps/year_10000``."""
        return f"{self.topic}/{self.case.name}"


def suite_folder() -> Path:
    """Return the folder of the published cases.

    A wheel holds it as ``crucible_ir/conformance/suites``; an editable install finds the
    repository's ``tests/vectors/conformance``.

    Raises:
        SuiteError: Neither is there.
    """
    for folder in (
        _PACKAGE / "conformance" / "suites",
        _PACKAGE.parents[1] / "tests" / "vectors" / "conformance",
    ):
        if folder.is_dir():
            return folder
    raise SuiteError(f"the conformance cases are missing beside {_PACKAGE}")


def read_suites(path: Path, topics: Sequence[str] = ()) -> list[v1.Suite]:
    """Read suites, in the order of their topics.

    Args:
        path: A folder of ``.txtpb`` files, each named for its topic, one such file, or a stream of
            suites that `write_suites` wrote.
        topics: Patterns of which a topic must match one; none for every topic.

    Raises:
        SuiteError: There is no such file or folder, or it holds something else.
    """
    try:
        if path.is_dir():
            files = sorted(path.glob(f"*{TEXT_ENDING}"))
            return [_read_text(file) for file in files if _matches(file.stem, topics)]
        suites = [_read_text(path)] if path.suffix == TEXT_ENDING else list(_read_stream(path))
    except OSError as error:
        raise SuiteError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return [suite for suite in suites if _matches(suite.topic, topics)]


def select_cases(
    path: Path, topics: Sequence[str] = (), cases: Sequence[str] = ()
) -> list[NamedCase]:
    """Return the cases that patterns select; arguments and errors as in `read_suites`.

    Args:
        path: Where the suites are.
        topics: Patterns of which a case's topic must match one; none for all.
        cases: Patterns of which a case's name, with or without its topic, must match one; none for
            all.

    Raises:
        SuiteError: No case matches; the error names the nearest topic.
    """
    found = [
        named
        for suite in read_suites(path, topics)
        for named in (NamedCase(suite.topic, case) for case in suite.cases)
        if _matches(named.case.name, cases) or _matches(named.name, cases)
    ]
    if not found:
        known = [suite.topic for suite in read_suites(path)]
        wanted = [*topics, *cases]
        if not wanted:
            raise SuiteError(f"{path}: there are no cases")
        guess = near_miss(topics[0], known) if topics else ""
        raise SuiteError(f"no case matches {' and '.join(map(repr, wanted))}{guess}")
    return found


def write_suites(suites: Sequence[v1.Suite]) -> bytes:
    """Return suites as a stream, each after its size."""
    from crucible_ir.conformance.frames import frame

    return b"".join(map(frame, suites))


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _read_text(path: Path) -> v1.Suite:
    try:
        suite = text_format.Parse(path.read_bytes(), v1.Suite())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}:{error}") from None
    return suite


def _read_stream(path: Path) -> Iterator[v1.Suite]:
    with path.open("rb") as source:
        try:
            while (body := read_frame(source)) is not None:
                yield v1.Suite.FromString(body)
        except (FrameError, DecodeError) as error:
            raise SuiteError(f"{path}: not a stream of suites: {error}") from None
