"""The fidelity report: what became of every value of the source of a conversion."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from crucible_ir.interchange.mapping.patterns import (
    INSIDE,
    Path,
    Places,
    cover,
    general_sets,
    matches,
    split_path,
    write_path,
    write_pattern,
)

#: How many values of an entry the report shows.
SHOWN_VALUES = 3

#: The most characters of a text that the report shows.
SHOWN_CHARACTERS = 200

#: The most patterns of paths in the report; other values are counted under the pattern ``**``.
MAX_PATTERNS = 50_000

#: The most errors that the report lists.
MAX_ERRORS = 1_000

#: The most ranges of indexes for which the report keeps the places of different outcomes apart.
MAX_RANGES = 1_000


class Outcome(enum.StrEnum):
    """What became of a value, from the most to the least faithful outcome.

    >>> Outcome("kept") is Outcome.KEPT
    True
    """

    #: The same value under the same name.
    KEPT = "kept"
    #: The same value under another name.
    RENAMED = "renamed"
    #: Kept as it is in an opaque map, such as ``metadata["openai"]``; export puts it back.
    OPAQUE = "opaque"
    #: Another value with the same meaning, or as near as the target allows.
    CONVERTED = "converted"
    #: A value of the target that the source does not have.
    DEFAULTED = "defaulted"
    #: Lost.
    DROPPED = "dropped"


_FAITHFULNESS: Final = list(Outcome)


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of the values at a pattern of paths.

    Attributes:
        path: The pattern of paths in the source, in the notation of `patterns`; empty if the
            source does not have the value (``defaulted``).
        outcome: What became of the values.
        count: How many values there are.
        target: The pattern of paths in the target; empty if the values are lost.
        reason: Why the values were not kept as they are; empty for ``kept`` and ``renamed``.
        source_values: The first values of the source.
        target_values: The values of the target that they became.
    """

    path: str
    outcome: Outcome
    count: int
    target: str = ""
    reason: str = ""
    source_values: tuple[object, ...] = ()
    target_values: tuple[object, ...] = ()

    def matches(self, path: Path) -> bool:
        """Return whether the entry is about a path of the source.

        >>> Entry("choices[*].index", Outcome.KEPT, 2).matches(("choices", 1, "index"))
        True
        """
        return bool(self.path) and matches(self.path, path)

    def as_json(self) -> dict[str, object]:
        """Return the entry as a JSON value."""
        result: dict[str, object] = {
            "path": self.path,
            "outcome": self.outcome.value,
            "count": self.count,
            "target": self.target,
            "reason": self.reason,
        }
        if self.source_values:
            result["from"] = list(self.source_values)
        if self.target_values:
            result["to"] = list(self.target_values)
        return result


@dataclass(frozen=True, slots=True)
class ConversionProblem:
    """A record, or a part of one, that could not be converted and was left out.

    Attributes:
        path: The path in the source.
        reason: The error.
        source: The name of the file or service, and the number of the record; empty if unknown.
    """

    path: str
    reason: str
    source: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.path, self.reason) if part)

    def as_json(self) -> dict[str, object]:
        """Return the error as a JSON value."""
        return {"source": self.source, "path": self.path, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Report:
    """The fidelity report of a conversion.

    Attributes:
        entries: What became of the values, in the order of the source. Every value of the source
            matches exactly one entry.
        errors: The records, and parts of records, that were left out; the first 1,000 of them.
        error_count: The number of all of them.
    """

    entries: tuple[Entry, ...]
    errors: tuple[ConversionProblem, ...] = ()
    error_count: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """The number of values of each outcome."""
        counts = {outcome.value: 0 for outcome in Outcome}
        for entry in self.entries:
            counts[entry.outcome.value] += entry.count
        return counts

    def entry_of(self, path: Path) -> Entry | None:
        """Return the entry about a path of the source, if there is one."""
        return next((entry for entry in self.entries if entry.matches(path)), None)

    def as_json(self) -> dict[str, object]:
        """Return the report as a JSON value."""
        return {
            "entries": [entry.as_json() for entry in self.entries],
            "counts": self.counts,
            "errors": [error.as_json() for error in self.errors],
            "error_count": self.error_count,
        }


@dataclass(slots=True)
class _Group:
    """The values of one template with one outcome."""

    outcome: Outcome
    target: Path
    reason: str
    count: int = 0
    source_values: list[object] = field(default_factory=list)
    target_values: list[object] = field(default_factory=list)
    places: Places = field(default_factory=Places)


#: A template of paths, and whether its values are everything inside the path.
_Key: TypeAlias = tuple[Path, bool]

#: An outcome, with the template of the target and the reason.
_Signature: TypeAlias = tuple[Outcome, Path, str]

#: Stands for all templates beyond `MAX_PATTERNS`.
_OTHERS: Final[_Key] = ((), True)


class Recorder:
    """Collects what became of values into a report, in memory that does not grow with their number.

    >>> recorder = Recorder()
    >>> for index, outcome in enumerate([Outcome.KEPT, Outcome.KEPT, Outcome.DROPPED]):
    ...     recorder.add(("rows", index, "loss"), outcome)
    >>> [(entry.path, entry.outcome.value, entry.count) for entry in recorder.report().entries]
    [('rows[0-1].loss', 'kept', 2), ('rows[2].loss', 'dropped', 1)]
    """

    def __init__(self) -> None:
        self._templates: dict[_Key, dict[_Signature, _Group]] = {}
        self._overfull: set[_Key] = set()
        self._errors: list[ConversionProblem] = []
        self._error_count = 0

    def add(
        self,
        path: Path,
        outcome: Outcome,
        target: Path = (),
        *,
        reason: str = "",
        values: tuple[object, ...] = (),
        inside: bool = False,
    ) -> None:
        """Add what became of a value.

        Args:
            path: Its path in the source; empty for a value that the source does not have.
            outcome: What became of it.
            target: The path of the value that it became.
            reason: Why it was not kept as it is.
            values: The value of the source and the one of the target; either may be left out from
                the end.
            inside: Whether the outcome is that of every value inside it, which count as one.
        """
        template, position = split_path(path)
        key, group = self._group((template, inside), outcome, target, reason)
        group.count += 1
        if len(group.source_values) < SHOWN_VALUES:
            _show(group, values)
        if position and key is not _OTHERS:
            group.places.add(position)
            self._check_size(key, group)

    def add_rows(
        self,
        path: Path,
        outcome: Outcome,
        target: Path = (),
        *,
        first: int,
        last: int,
        reason: str = "",
        values: Iterable[tuple[object, ...]] = (),
    ) -> None:
        """Add what became of the same place in consecutive items of a list.

        Args:
            path: The path of the place in any of the items; its last index is that of the item.
            outcome: What became of the values.
            target: The path of one of the values that they became.
            first: The index of the first item.
            last: The index of the last item.
            reason: Why they were not kept as they are.
            values: The first values of the source, each with the one of the target.
        """
        template, position = split_path(path)
        key, group = self._group((template, False), outcome, target, reason)
        group.count += last - first + 1
        if len(group.source_values) < SHOWN_VALUES:
            for each in values:
                _show(group, each)
        if key is not _OTHERS:
            group.places.add_range(position[:-1], first, last)
            self._check_size(key, group)

    def fail(self, path: Path, reason: str, source: str = "") -> None:
        """Add an error about a record that is left out."""
        self.add_error(ConversionProblem(write_path(path), reason, source))

    def add_error(self, problem: ConversionProblem) -> None:
        """Add an error."""
        self._error_count += 1
        if len(self._errors) < MAX_ERRORS:
            self._errors.append(problem)

    def _group(self, key: _Key, outcome: Outcome, target: Path, reason: str) -> tuple[_Key, _Group]:
        """Return the values of a template with one outcome, and the key of the template."""
        key, groups = self._groups(key)
        target_template, _ = split_path(target)
        signature = (outcome, target_template, reason)
        group = groups.get(signature)
        if group is None:
            group = groups[signature] = _Group(outcome, target_template, reason)
        return key, group

    def _groups(self, key: _Key) -> tuple[_Key, dict[_Signature, _Group]]:
        """Return the values of a template; of those beyond `MAX_PATTERNS`, that of all others."""
        groups = self._templates.get(key)
        if groups is None:
            if len(self._templates) >= MAX_PATTERNS:
                key = _OTHERS
            groups = self._templates.setdefault(key, {})
        return key, groups

    def _check_size(self, key: _Key, group: _Group) -> None:
        """Give up on the places of a template whose outcomes alternate too often."""
        if group.places.size > MAX_RANGES:
            self._overfull.add(key)
            group.places = Places()

    def merge(self, other: Recorder) -> None:
        """Add what another recorder collected."""
        for their_key, their_groups in other._templates.items():
            key, groups = self._groups(their_key)
            for signature, group in their_groups.items():
                into = groups.setdefault(
                    signature, _Group(group.outcome, group.target, group.reason)
                )
                into.count += group.count
                into.source_values += group.source_values
                into.target_values += group.target_values
                del into.source_values[SHOWN_VALUES:], into.target_values[SHOWN_VALUES:]
                if key is not _OTHERS:
                    into.places.update(group.places)
                    self._check_size(key, into)
        self._overfull |= other._overfull
        self._errors += other._errors[: MAX_ERRORS - len(self._errors)]
        self._error_count += other._error_count

    def with_outcome(self, outcomes: frozenset[Outcome]) -> list[Entry]:
        """Return the entries with one of some outcomes."""
        if not any(key[0] in outcomes for groups in self._templates.values() for key in groups):
            return []
        return [entry for entry in self.report().entries if entry.outcome in outcomes]

    def report(self) -> Report:
        """Return the report."""
        entries: list[Entry] = []
        all_nested = self._nested()
        for (template, inside), groups in self._templates.items():
            all_groups = list(groups.values())
            if not template and not inside:
                # Values that the source does not have.
                entries += [_entry("", group, inside) for group in all_groups]
                continue
            if (template, inside) == _OTHERS:
                others = _entry(INSIDE, _merged(all_groups), inside)
                reason = f"beyond the first {MAX_PATTERNS:,} patterns; {others.reason}"
                entries.append(replace(others, reason=reason.removesuffix("; ")))
                continue
            nested = all_nested.get((template, inside), [])
            if (len(all_groups) == 1 and not nested) or (template, inside) in self._overfull:
                pattern = write_pattern(template, general_sets(template), inside=inside)
                entries.append(_entry(pattern, _merged(all_groups), inside))
            else:
                entries += _split(template, inside, all_groups, nested)
        return Report(tuple(entries), tuple(self._errors), self._error_count)

    def _nested(self) -> dict[_Key, list[Places]]:
        """Return the places of other templates whose patterns could stand for the same paths.

        One record can keep an object as it is, and another one convert the values inside it.
        """
        outer = {template for template, inside in self._templates if inside and template}
        result: dict[_Key, list[Places]] = {}
        for (template, inside), groups in self._templates.items():
            for length in range(len(template)):
                if template[:length] in outer:
                    around = (template[:length], True)
                    for key, others in (
                        (around, groups),
                        ((template, inside), self._templates[around]),
                    ):
                        places = [group.places for group in others.values()]
                        result.setdefault(key, []).extend(places)
        return result


def _split(
    template: Path, inside: bool, groups: list[_Group], nested: list[Places]
) -> Iterator[Entry]:
    """Yield an entry for each set of places with one outcome."""
    dimensions = len(general_sets(template))
    every = Places()
    for places in (*(group.places for group in groups), *nested):
        every.update(places.resized(dimensions))
    for group in groups:
        for sets, count in cover(group.places, every, dimensions):
            yield _entry(write_pattern(template, sets, inside=inside), group, inside, count)


def _merged(groups: list[_Group]) -> _Group:
    """Return the outcome of places that are not kept apart: the least faithful one."""
    if len(groups) == 1:
        return groups[0]
    worst = max(groups, key=lambda group: _FAITHFULNESS.index(group.outcome))
    parts = [f"{group.count} {group.outcome}" for group in groups]
    reason = f"outcomes differ: {', '.join(parts)}; the least faithful one counts"
    return _Group(
        worst.outcome,
        worst.target,
        f"{worst.reason} ({reason})" if worst.reason else reason,
        sum(group.count for group in groups),
        worst.source_values,
        worst.target_values,
    )


def _entry(pattern: str, group: _Group, inside: bool, count: int | None = None) -> Entry:
    target = write_pattern(group.target, general_sets(group.target), inside=inside)
    return Entry(
        path=pattern,
        outcome=group.outcome,
        count=group.count if count is None else count,
        target=target if group.target else "",
        reason=group.reason,
        source_values=tuple(map(shown, group.source_values)),
        target_values=tuple(map(shown, group.target_values)),
    )


def _show(group: _Group, values: tuple[object, ...]) -> None:
    if values:
        group.source_values.append(values[0])
    if len(values) > 1:
        group.target_values.append(values[1])


def shown(value: object) -> object:
    """Return a value as the report shows it: long texts are cut, long objects are cut JSON.

    >>> shown({"a": [1, 2]}), shown(float("nan"))
    ({'a': [1, 2]}, 'nan')
    """
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, (dict, list)):
        try:
            text = _printable(json.dumps(value, ensure_ascii=False, allow_nan=False), "replace")
        except (TypeError, ValueError, RecursionError):
            return f"a value with {len(value)} items"
        if len(text) <= SHOWN_CHARACTERS:
            return json.loads(text)
        value = text
    if isinstance(value, str):
        value = _printable(value, "backslashreplace")
        if len(value) > SHOWN_CHARACTERS:
            return f"{value[:SHOWN_CHARACTERS]}… ({len(value)} characters)"
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _printable(text: str, errors: str) -> str:
    """Return a text in which unpaired surrogates, which no file can hold, are replaced."""
    return text if text.isascii() else text.encode("utf-8", errors).decode()
