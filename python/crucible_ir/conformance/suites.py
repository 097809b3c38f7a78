"""The published cases: find and read them, and write suites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from crucible_ir.conformance import v1
from crucible_ir.conformance.frames import FrameError, frame, read_frame
from crucible_ir.errors import Error, near_miss

_PACKAGE: Final = Path(__file__).resolve().parents[1]

#: The extension of a file with one suite in the text format.
TEXT_EXTENSION: Final = ".txtpb"


class SuiteError(Error):
    """The cases are missing, invalid or unreadable."""


@dataclass(frozen=True, slots=True)
class NamedCase:
    """A case with the topic of its suite.

    Attributes:
        topic: The topic.
        case: The case.
    """

    topic: str
    case: v1.Case

    @property
    def name(self) -> str:
        """The full name: the topic and the name of the case, such as ``timestamps/year_10000``."""
        return f"{self.topic}/{self.case.name}"


def suite_folder() -> Path:
    """Return the folder of the published cases.

    A wheel contains it as ``crucible_ir/conformance/suites``; an editable installation uses
    ``tests/vectors/conformance`` of the repository.

    Raises:
        SuiteError: The folder does not exist.
    """
    for folder in (
        _PACKAGE / "conformance" / "suites",
        _PACKAGE.parents[1] / "tests" / "vectors" / "conformance",
    ):
        if folder.is_dir():
            return folder
    raise SuiteError(f"the conformance cases of {_PACKAGE} are missing")


def read_suites(path: Path, topics: Sequence[str] = ()) -> list[v1.Suite]:
    """Read suites, in the order of their topics.

    Args:
        path: A folder of ``.txtpb`` files, each named after its topic; one such file; or a stream
            of suites written by `SavedBinaries`.
        topics: Patterns, one of which a topic must match; empty for every topic.

    Raises:
        SuiteError: The file or folder does not exist, or does not contain suites.
    """
    try:
        if path.is_dir():
            files = sorted(path.glob(f"*{TEXT_EXTENSION}"))
            return [_read_text(file) for file in files if _matches(file.stem, topics)]
        suites = [_read_text(path)] if path.suffix == TEXT_EXTENSION else list(_read_stream(path))
    except OSError as error:
        raise SuiteError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return [suite for suite in suites if _matches(suite.topic, topics)]


def select_cases(
    path: Path, topics: Sequence[str] = (), cases: Sequence[str] = ()
) -> list[NamedCase]:
    """Return the cases that patterns select.

    Args:
        path: The suites, as for `read_suites`.
        topics: Patterns, one of which the topic of a case must match; empty for all.
        cases: Patterns, one of which the name of a case, with or without its topic, must match;
            empty for all.

    Raises:
        SuiteError: The suites cannot be read, or no case matches; the error suggests the nearest
            topic.
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


class SavedBinaries:
    """Collects the messages that an executor wrote, as payloads for other executors."""

    def __init__(self) -> None:
        self._suites: dict[str, v1.Suite] = {}

    def add(self, named: NamedCase, evaluation: v1.Evaluation) -> None:
        """Add the bytes that an executor wrote for a case, with the expected result of the case."""
        suite = self._suites.setdefault(named.topic, v1.Suite(topic=named.topic))
        case = suite.cases.add()
        case.CopyFrom(named.case)
        case.request.binary = evaluation.binary

    def content(self) -> bytes:
        """Return the suites as a stream of frames, which `read_suites` reads."""
        return b"".join(map(frame, self._suites.values()))


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
            raise SuiteError(f"{path}: expected a stream of suites: {error}") from None
