"""Exports: a message becomes a foreign record, and what an import kept comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crucible_ir.interchange.mapping.conversion import DEFAULTED, NUMBERS, UNKNOWN, Conversion
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.interchange.mapping.source import Source, Use
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import children_of, same, value_at
from crucible_ir.paths import Part, parse_path
from crucible_ir.schema.references import reference_fields
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.message import Message


class Export(Conversion):
    """The export of one message into JSON values of a foreign format.

    Args:
        format_: The name of the foreign format.
        message: The message.
        recorder: Collects the fidelity report.
        prefix: The path of the message in the report.
    """

    def __init__(
        self, format_: str, message: Message, recorder: Recorder, prefix: Path = ()
    ) -> None:
        super().__init__(format_, json_values(message), recorder, prefix)
        self.message = message
        self.target = Target(self, (), value={})
        self._restored: list[tuple[Source, Target, frozenset[str]]] = []
        self._own_places: set[Path] = set()
        self._stand_ins: frozenset[Path] = frozenset()
        self._read_numbers()
        rest = self.source.rest()
        listed = rest.get(DEFAULTED, list) if rest is not None else None
        if listed is not None and all(isinstance(path, str) for path in listed.value):
            listed.use(Outcome.CONVERTED, reason="it lists what the import filled in")
            paths = {_plain(parse_path(path)) for path in listed.value}
            values = {path: value_at(self.source.value, path) for path in paths}
            references = reference_fields(descriptor_of(message))
            # A reference that somebody has filled in since is no stand-in.
            self._stand_ins = frozenset(
                path
                for path, value in values.items()
                if value is not None
                and not (isinstance(value, dict) and value and UNKNOWN not in value.values())
                and not (isinstance(value, str) and value != UNKNOWN and _field(path) in references)
            )
            for path in self._stand_ins:
                use = Use(Outcome.DEFAULTED, (), "the import filled it in", (values[path],))
                self.use(path, use)

    def _read_numbers(self) -> None:
        """Turn the texts into numbers that an import kept as text in opaque maps."""
        waiting: list[tuple[Path, Any]] = [((), self.source.value)]
        while waiting:
            path, value = waiting.pop()
            waiting += [((*path, step), child) for step, child in children_of(value)]
            listed = value.get(NUMBERS) if isinstance(value, dict) else None
            if path[-1:] != (self.format,) or not isinstance(listed, list):
                continue
            reason = "it lists numbers that the import kept as text"
            self.use((*path, NUMBERS), Use(Outcome.CONVERTED, (), reason, (listed,)))
            for each in listed:
                steps = _plain(parse_path(each)) if isinstance(each, str) else ()
                number = _number(value_at(value, steps))
                if steps and number is not None:
                    owner: Any = value_at(value, steps[:-1])
                    owner[steps[-1]] = number

    def is_hidden(self, path: Path) -> bool:
        """Return whether a value is not to be used: a secret, or one that an import filled in."""
        return super().is_hidden(path) or self.is_stand_in(path)

    def is_stand_in(self, path: Path) -> bool:
        """Return whether a value of a document was filled in by an import."""
        return path in self._stand_ins

    def restore(self, rest: Source, target: Target, without: frozenset[str]) -> None:
        """Put back what an import kept."""
        self._restored.append((rest, target, without))

    def finish(self) -> dict[str, Any]:
        """Return the JSON values of the foreign format."""
        # What is put back somewhere of its own is not put back with what is around it.
        self._own_places = {rest.path for rest, _, _ in self._restored}
        for rest, target, without in self._restored:
            self._merge(rest, target.value, target.path, without)
        for path, value, reason in self._defaults:
            self._recorder.add((), Outcome.DEFAULTED, path, reason=reason, values=(None, value))
        for path, value in self._unused():
            inside = bool(value) and isinstance(value, (dict, list))
            use = Use(Outcome.DROPPED, (), "the format has no place for it", (value,))
            self._record(path, use, inside=inside)
        return self.target.value

    def _merge(
        self, rest: Source, into: Any, path: Path, without: frozenset[str] = frozenset()
    ) -> None:
        """Merge what an import kept into an object or list that the export wrote.

        Of a list of which an import used some values, the others are kept as an object with the
        indexes as keys.
        """
        for key, value in children_of(rest.value):
            child = Source(value, (*rest.path, key), self)
            used = child.path in self._uses or child.path in self._own_places
            if used or key in without:
                continue
            step: Part = key
            if isinstance(into, list):
                step = int(key) if str(key).isdecimal() else -1
                if not 0 <= step < len(into):
                    child.drop("the list has no such item any more")
                    continue
            elif key not in into:
                into[key] = value
                child.use(Outcome.OPAQUE, (*path, key))
                continue
            current = into[step]
            is_original = self.originals.get((*path, step))
            if (
                same(current, value)
                or current == {}
                or (is_original is not None and is_original(value))
            ):
                into[step] = value
                child.use(Outcome.OPAQUE, (*path, step))
            elif _fits_into(value, current):
                self._merge(child, current, (*path, step))
            else:
                child.drop("another field has the value now")


def _number(text: object) -> int | float | None:
    """Return the number that a text spells; ``None`` if it spells none."""
    if not isinstance(text, str):
        return None
    try:
        return int(text)
    except ValueError:
        return float(text) if text in ("NaN", "Infinity", "-Infinity") else None


def _fits_into(rest: object, current: object) -> bool:
    """Return whether what was kept of an object or list can be merged into what was written."""
    if isinstance(rest, list):
        return bool(rest) and isinstance(current, list) and len(rest) == len(current)
    return isinstance(rest, dict) and bool(rest) and isinstance(current, (dict, list))


def _field(path: Path) -> str:
    """Return the name of a field as `reference_fields` has it."""
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path)[1:]


def _plain(path: Path) -> Path:
    return tuple(str(part) if isinstance(part, str) else part for part in path)
