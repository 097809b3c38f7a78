"""The errors that this package raises on purpose, and the violations that they list."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from crucible_ir.paths import Part, parse_path

#: The most characters of an offending value that an error shows.
SHOWN_VALUE_LENGTH = 80

#: The most characters that the reason or the path of an error has before escaping.
MAX_TEXT_LENGTH = 2_000

#: Control characters and surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

#: The Unicode categories of control, directional and separator characters, and of surrogates.
_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text document: line and column, counted from 1, the column in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


#: Finds the position of an error, which takes longer than most errors are worth.
FindPosition: TypeAlias = Callable[[], Position]


class Violation(NamedTuple):
    """One rule of the schema that a message breaks.

    Attributes:
        path: The field, from the message's root, as ``pipeline[2].name`` or ``weights["gpt-4"]``;
            empty when the rule is about the message as a whole.
        rule_id: The rule's stable id, such as ``required`` or ``int32.gt`` (protovalidate's ids)
            or ``message.content_required`` (this schema's own).
        message: What the rule asks for, in words.
        value: The offending value; ``None`` when there is none to show.
        position: Where the value stands, when the message was read from text.
    """

    path: str
    rule_id: str
    message: str
    value: object = None
    position: Position | None = None

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message} [{self.rule_id}]"


class Error(Exception):
    """Base of every error that this package raises on purpose."""


class _LocatedError(Error, ValueError):
    """An error about one place of one message."""

    def __init__(
        self, reason: str, *, path: str = "", position: Position | FindPosition | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = _one_line(reason)
        self.path = _one_line(path)
        self._position = position

    @property
    def position(self) -> Position | None:
        """The line and column, found in the text when they are first read."""
        if callable(self._position):
            self._position = self._position()
        return self._position

    def __reduce__(self) -> tuple[Any, ...]:
        # Finding the position now leaves the text behind.
        _ = self.position
        return tuple(super().__reduce__())

    def __str__(self) -> str:
        parts = [str(self.position) if self.position else "", self.path, self.reason]
        return ": ".join(part for part in parts if part)


class DecodeError(_LocatedError):
    """The input is not a document of the expected type and form.

    Attributes:
        reason: What is wrong, what was expected and, where there is one, the near miss.
        path: The place in the document, as in `Violation.path`; empty for the document as a whole.
        position: Line and column, for text input.
    """

    _others: tuple[DecodeError, ...] = ()

    @property
    def errors(self) -> tuple[DecodeError, ...]:
        """The errors of the document in its order, this one first; at most 20."""
        return (self, *self._others)

    def add(self, others: Iterable[DecodeError]) -> None:
        """Add errors that were found after this one in the same document."""
        self._others += tuple(others)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *map(str, self._others)])


class EncodeError(_LocatedError):
    """The message holds something that the target form cannot carry.

    Attributes:
        reason: What cannot be written, and why.
        path: The field, as in `Violation.path`.
        position: Always ``None``: a message has no text.
    """


class FieldError(_LocatedError, TypeError):
    """A constructor or builder was given a field or value that the message does not take.

    Attributes:
        reason: What is wrong, what was expected and, where there is one, the near miss.
        path: The field, as in `Violation.path`.
        position: Always ``None``: arguments have no text.
    """


class ValidationError(Error, ValueError):
    """A message breaks rules of the schema.

    Attributes:
        type_name: The full name of the message's type.
        violations: Every broken rule, in the order of the schema's fields.
    """

    # The constructor above this one has nothing to do: BaseException.__new__ keeps the arguments.
    def __init__(
        self,
        type_name: str,
        violations: list[Violation],
        find: Callable[[tuple[Part, ...]], Position] | None = None,
    ) -> None:
        self.type_name = type_name
        self._violations = violations
        self._find = find

    @property
    def violations(self) -> list[Violation]:
        """Every broken rule; positions in a text are found when this is first read."""
        if self._find is not None:
            find, self._find = self._find, None
            self._violations[:] = [
                violation._replace(position=find(parse_path(violation.path)))
                for violation in self._violations
            ]
        return self._violations

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.type_name, self.violations)

    def __str__(self) -> str:
        count = len(self.violations)
        lines = [f"{self.type_name}: {count} violation{'' if count == 1 else 's'}"]
        for violation in self.violations:
            at = f"{violation.position}: " if violation.position else ""
            shown = "" if violation.value is None else f", got {shorten(violation.value)}"
            lines.append(f"  {at}{violation}{shown}")
        return "\n".join(lines)


def _one_line(text: str) -> str:
    """Escape what the input could use to break a line, steer a terminal or fail to print.

    The longest texts are cut, so that an error is never as long as the input that it is about.
    """
    if len(text) > MAX_TEXT_LENGTH:
        text = text[: MAX_TEXT_LENGTH - 1] + "…"
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def shorten(value: object) -> str:
    """Show a value on one line, cut to `SHOWN_VALUE_LENGTH` characters.

    >>> shorten("a" * 200) == repr("a" * 200)[:SHOWN_VALUE_LENGTH - 1] + "…"
    True
    """
    if isinstance(value, (str, bytes)) and len(value) > SHOWN_VALUE_LENGTH:
        value = value[: SHOWN_VALUE_LENGTH + 1]
    text = repr(value) if isinstance(value, (str, bytes, int, float, type(None))) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_VALUE_LENGTH else text[: SHOWN_VALUE_LENGTH - 1] + "…"


def printable(text: str) -> str:
    r"""Escape control and directional characters, which a terminal would obey rather than show.

    >>> printable("\x1b[31mred\x07")
    '\\x1b[31mred\\x07'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escape_unsafe, text))


def _escape_unsafe(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")


def near_miss(name: str, known: Iterable[str]) -> str:
    """Name the known spelling closest to ``name``, as a clause to end an error with, or nothing.

    >>> near_miss("epoch", ["epochs", "device"])
    '; did you mean "epochs"?'
    >>> near_miss("zzz", ["epochs"])
    ''
    """
    import difflib  # Most runs have no error.

    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower()[:128], folded, n=1, cutoff=0.6)
    return f'; did you mean "{folded[close[0]]}"?' if close else ""
