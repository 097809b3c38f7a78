"""The errors of this package, and the violations that they list."""

from __future__ import annotations

import re
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
from typing import Any, NamedTuple, Protocol, TypeAlias

from crucible_ir.paths import Part, general_path, parse_path

#: The most characters of an invalid value that an error shows.
SHOWN_VALUE_LENGTH = 80

#: The most characters of an unknown name that an error shows.
_SHOWN_NAME_LENGTH = 64

#: The most characters of the reason or the path of an error, before escaping.
MAX_TEXT_LENGTH = 2_000

#: Control characters and surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

#: The clause of `near_miss` in an error.
_NEAR_MISS = re.compile(r'; did you mean "([^"]*)"\?')

#: The Unicode categories of control, directional and separator characters, and of surrogates.
_UNSAFE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a text document: line and column, counted from 1; columns are characters.

    >>> str(Position(line=3, column=7))
    '3:7'
    """

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


#: Finds the position of an error. It is called when the position is read, since it takes time.
FindPosition: TypeAlias = Callable[[], Position]


class Violation(NamedTuple):
    """A rule of the schema that a message breaks.

    Attributes:
        path: The path of the field, such as ``pipeline[2].name`` or ``weights["gpt-4"]``; empty if
            the rule is about the root message.
        rule_id: The stable id of the rule: an id of protovalidate such as ``required`` or
            ``int32.gt``, or one of this schema such as ``message.content_required``.
        message: The requirement of the rule, in words.
        value: The invalid value; ``None`` if there is none.
        position: The position of the value, if the message was read from text.

    >>> from crucible_ir import v1, violations
    >>> [violation] = violations(v1.StageDef())
    >>> violation.path, violation.rule_id, violation.message
    ('name', 'required', 'must not be empty')
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
    """The base class of the errors of this package.

    >>> from crucible_ir import from_json
    >>> try:
    ...     from_json("{}", "StageDef")
    ... except Error as error:
    ...     print(type(error).__name__)
    ValidationError
    """


class _PathError(Error, ValueError):
    """An error with a path in a message and, for text, a position."""

    def __init__(
        self,
        reason: str | Callable[[], str],
        *,
        path: str = "",
        position: Position | FindPosition | None = None,
    ) -> None:
        super().__init__(reason)
        self._reason = reason
        self.path = _one_line(path) if path else path
        self._position = position

    @cached_property
    def reason(self) -> str:
        """The error in one line; a function that returns it is called when it is first read."""
        reason = self._reason
        return _one_line(reason if isinstance(reason, str) else reason())

    @property
    def position(self) -> Position | None:
        """The line and column; they are found in the text when they are first read."""
        if callable(self._position):
            self._position = self._position()
        return self._position

    def __reduce__(self) -> tuple[Any, ...]:
        # Finding the position first keeps the text out of the pickle.
        _ = self.position
        self._reason = self.reason
        return tuple(super().__reduce__())

    def __str__(self) -> str:
        parts = [str(self.position) if self.position else "", self.path, self.reason]
        return ": ".join(part for part in parts if part)


class DecodeError(_PathError):
    """The input is not a document of the expected type and format.

    Attributes:
        reason: The error, with the expected value and, if there is one, the most similar name.
        path: The path in the document, as in `Violation.path`; empty for the root.
        position: The line and column in text input.

    >>> from crucible_ir import from_json
    >>> try:
    ...     from_json('{"name": 3}', "StageDef")
    ... except DecodeError as error:
    ...     print(error.path, str(error.position))
    name 1:10
    """

    _others: tuple[DecodeError, ...] = ()

    @property
    def errors(self) -> tuple[DecodeError, ...]:
        """The errors of the document in their order, starting with this one; at most 20.

        >>> from crucible_ir import from_json
        >>> try:
        ...     from_json('{"name": 3, "enabled": "yes"}', "StageDef")
        ... except DecodeError as error:
        ...     print([each.path for each in error.errors])
        ['name', 'enabled']
        """
        return (self, *self._others)

    def add(self, others: Iterable[DecodeError]) -> None:
        """Add the errors after this one in the same document.

        >>> error = DecodeError("expected a string", path="name")
        >>> error.add([DecodeError("expected true or false", path="enabled")])
        >>> len(error.errors)
        2
        """
        self._others += tuple(others)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *map(str, self._others)])


class EncodeError(_PathError):
    """The format cannot represent a value of the message.

    Attributes:
        reason: The error.
        path: The path of the field, as in `Violation.path`.
        position: Always ``None``: a message has no text.

    >>> from crucible_ir import to_json, v1
    >>> message = v1.ModelVersion(id="v")
    >>> message.options["rate"] = float("nan")
    >>> try:
    ...     to_json(message)
    ... except EncodeError as error:
    ...     print(error.path)
    options["rate"]
    """


class FieldError(_PathError, TypeError):
    """A constructor or builder got an unknown field or an invalid value.

    Attributes:
        reason: The error, with the expected value and, if there is one, the most similar name.
        path: The path of the field, as in `Violation.path`.
        position: Always ``None``: arguments have no text.

    >>> from crucible_ir import new
    >>> try:
    ...     new("StageDef", nam="embed")
    ... except FieldError as error:
    ...     print(error)
    StageDef.nam: StageDef has no such field; did you mean "name"?
    """


class SpellingWarning(UserWarning):
    """A custom name of an open vocabulary is one edit away from a documented name; it is kept.

    Attributes:
        reason: The name, and the documented name that was probably meant.
        path: The path of the field, as in `Violation.path`.
        position: The line and column in text input.

    >>> import warnings
    >>> from crucible_ir import new
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     made = new("ModelVersion", stage="producton", partial=True)
    >>> str(caught[0].message)
    'ModelVersion.stage: the custom name "producton" is one edit away from "production"'
    """

    def __init__(self, reason: str, path: str = "", position: Position | None = None) -> None:
        super().__init__(reason, path, position)
        self.reason = reason
        self.path = path
        self.position = position

    def __str__(self) -> str:
        parts = [str(self.position) if self.position else "", self.path, self.reason]
        return ": ".join(part for part in parts if part)


def warn(warning: Warning) -> None:
    """Issue a warning about the first line of the call stack that is outside this package."""
    level = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("crucible_ir."):
        level, frame = level + 1, frame.f_back
    warnings.warn(warning, stacklevel=level)


class FoundViolations(Protocol):
    """Violations that are described when they are read."""

    def describe(self) -> list[Violation]:
        """Return the violations."""

    def kinds(self) -> list[tuple[str, str]]:
        """Return the rule and the general path of each violation."""


class ValidationError(Error, ValueError):
    """A message breaks rules of the schema.

    Attributes:
        type_name: The full name of the message's type.
        violations: The broken rules, in the order of the fields in the schema.

    >>> from crucible_ir import v1, validate
    >>> try:
    ...     validate(v1.StageDef())
    ... except ValidationError as error:
    ...     print(error.type_name, [violation.path for violation in error.violations])
    crucible_ir.v1.StageDef ['name']
    """

    # super().__init__ is not needed: BaseException.__new__ stores the arguments.
    def __init__(
        self,
        type_name: str,
        violations: list[Violation] | FoundViolations,
        find: Callable[[tuple[Part, ...]], Position] | None = None,
    ) -> None:
        self.type_name = type_name
        self._violations = violations
        self._find = find

    @property
    def violations(self) -> list[Violation]:
        """The broken rules; their positions are found in the text when this is first read.

        >>> from crucible_ir import from_json
        >>> try:
        ...     from_json('{"name": ""}', "StageDef")
        ... except ValidationError as error:
        ...     print([str(violation.position) for violation in error.violations])
        ['1:10']
        """
        if self._find is not None:
            find, self._find = self._find, None
            found = self.violations_without_positions
            found[:] = [
                violation._replace(position=find(parse_path(violation.path))) for violation in found
            ]
        return self.violations_without_positions

    @property
    def violations_without_positions(self) -> list[Violation]:
        """The broken rules, whose positions may not have been found, since that takes time.

        >>> violation = Violation("name", "required", "must not be empty")
        >>> error = ValidationError("StageDef", [violation])
        >>> [each.path for each in error.violations_without_positions]
        ['name']
        """
        if not isinstance(self._violations, list):
            self._violations = self._violations.describe()
        return self._violations

    def kinds(self) -> list[tuple[str, str]]:
        """Return the rule and the path of each violation, with ``[*]`` for indexes and keys.

        It is faster than to describe the violations.

        >>> violation = Violation("pipeline[2].name", "required", "must not be empty")
        >>> ValidationError("Experiment", [violation]).kinds()
        [('required', 'pipeline[*].name')]
        """
        if isinstance(self._violations, list):
            return [(each.rule_id, general_path(each.path)) for each in self._violations]
        return self._violations.kinds()

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
    """Escape control characters and surrogates, and truncate text of more than `MAX_TEXT_LENGTH`.

    The input may contain line breaks, terminal escapes and text that cannot be printed.
    """
    if len(text) > MAX_TEXT_LENGTH:
        text = text[: MAX_TEXT_LENGTH - 1] + "…"
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def shorten(value: object) -> str:
    """Show a value on one line, truncated to `SHOWN_VALUE_LENGTH` characters.

    >>> shorten("a" * 200) == repr("a" * 200)[:SHOWN_VALUE_LENGTH - 1] + "…"
    True
    """
    if isinstance(value, (str, bytes)) and len(value) > SHOWN_VALUE_LENGTH:
        value = value[: SHOWN_VALUE_LENGTH + 1]
    text = repr(value) if isinstance(value, (str, bytes, int, float, type(None))) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_VALUE_LENGTH else text[: SHOWN_VALUE_LENGTH - 1] + "…"


def printable(text: str) -> str:
    r"""Escape control and directional characters, which would change the output of a terminal.

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


def plural(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> plural(1, "snapshot"), plural(0, "snapshot")
    ('1 snapshot', '0 snapshots')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shorten_name(name: str) -> str:
    """Truncate a name from the input for an error."""
    return name if len(name) <= _SHOWN_NAME_LENGTH else f"{name[:_SHOWN_NAME_LENGTH]}…"


def near_miss(name: str, known: Iterable[str]) -> str:
    """Return a clause that suggests the known name most similar to ``name``, or an empty string.

    >>> near_miss("epoch", ["epochs", "device"])
    '; did you mean "epochs"?'
    >>> near_miss("zzz", ["epochs"])
    ''
    """
    import difflib  # Imported here because most runs have no error.

    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower()[:128], folded, n=1, cutoff=0.6)
    return f'; did you mean "{folded[close[0]]}"?' if close else ""


def near_miss_in(text: str) -> str | None:
    """Return the name that `near_miss` suggests in an error; ``None`` if it suggests none.

    >>> near_miss_in('no field "epoch"' + near_miss("epoch", ["epochs"]))
    'epochs'
    """
    # The name that the error is about, which comes first, may be anything.
    found = _NEAR_MISS.findall(text)
    return found[-1] if found else None
