"""The cursor on a record that a conversion reads, and what it notes about each value."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from crucible_ir.errors import Error
from crucible_ir.interchange.mapping.patterns import Path, write_path
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.interchange.mapping.values import children_of, is_a
from crucible_ir.linting.lints.opaque import may_name_secret, secrecy
from crucible_ir.paths import MapKey

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.conversion import Conversion
    from crucible_ir.interchange.mapping.target import Target


class RecordError(Error):
    """A record of the source cannot be converted; it is reported and left out.

    Attributes:
        path: The path of the error in the record.
        reason: The error.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{write_path(path)}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class Use(NamedTuple):
    """What became of a value of the source."""

    outcome: Outcome
    target: Path
    reason: str = ""
    values: tuple[object, ...] = ()


class Account(NamedTuple):
    """What became of everything inside a long list or object.

    Attributes:
        record: Adds what became of the values to a recorder; it gets the path of the list or object
            in the report.
        unused: The paths, and values, of what was not used inside; paths in the record.
    """

    record: Callable[[Recorder, Path], None]
    unused: Sequence[tuple[Path, Any]] = ()


class Source:
    """A value of the source of a conversion, and its path.

    The methods that take a key return ``None`` for a value of another type than the one asked for:
    a value that does not fit is not used, and so is kept in an opaque map.

    Attributes:
        value: The value.
        path: Its path.
    """

    __slots__ = ("_conversion", "path", "value")

    def __init__(self, value: Any, path: Path, conversion: Conversion) -> None:
        self.value = value
        self.path = path
        self._conversion = conversion

    @property
    def record(self) -> Source:
        """The whole record or document that the value is in."""
        return self._conversion.source

    def get(self, key: str, *types: type) -> Source | None:
        """Return the value of a key; ``None`` if it is absent, null or not of one of the types."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        if value is None or (types and not is_a(value, types)):
            return None
        child = Source(value, (*self.path, key), self._conversion)
        return None if self._conversion.is_hidden(child.path) else child

    def with_value(self, value: Any) -> Source:
        """Return another value with the same meaning, at the same path."""
        return Source(value, self.path, self._conversion)

    def member(self, key: str) -> Source | None:
        """Return the value of a key, which may be null; ``None`` if it is absent."""
        if not isinstance(self.value, dict) or key not in self.value:
            return None
        return Source(self.value[key], (*self.path, key), self._conversion)

    def without(self, keys: Container[str]) -> Source:
        """Return this object without some keys."""
        value = {key: item for key, item in self.value.items() if key not in keys}
        return Source(value, self.path, self._conversion)

    def text(self, key: str) -> str | None:
        """Return the text of a key without using it; ``None`` if there is none."""
        found = self.get(key, str)
        return None if found is None else str(found.value)

    def items(self, key: str) -> list[Source]:
        """Return the items of a list; none if the value is not a list."""
        found = self.get(key, list)
        return [] if found is None else found.members()

    def members(self) -> list[Source]:
        """Return the items of this list; none if it is not a list."""
        if not isinstance(self.value, list):
            return []
        return [
            Source(item, (*self.path, index), self._conversion)
            for index, item in enumerate(self.value)
        ]

    def entries(self, key: str) -> list[tuple[str, Source]]:
        """Return the entries of an object whose keys are data, such as labels."""
        found = self.get(key, dict)
        if found is None:
            return []
        self._conversion.keyed.add(found.path)
        return [
            (name, Source(item, (*found.path, MapKey(name)), self._conversion))
            for name, item in found.value.items()
        ]

    def fields(self) -> list[tuple[str, Source]]:
        """Return the values of this object with their names, null too; none of another value."""
        if not isinstance(self.value, dict):
            return []
        return [
            (key, Source(item, (*self.path, key), self._conversion))
            for key, item in self.value.items()
        ]

    def use(self, outcome: Outcome, target: Path = (), *, reason: str = "", to: Any = ...) -> None:
        """Say what became of the value; the first call for a value counts."""
        values = (self.value,) if to is ... else (self.value, to)
        self._conversion.use(self.path, Use(outcome, target, reason, values))

    def implied_by(self, target: Target | Path) -> None:
        """Say that the structure of the target implies the value: export writes it again."""
        path = target if isinstance(target, tuple) else target.path
        self.use(Outcome.RENAMED, path)

    def drop(self, reason: str, *, secret: bool = False) -> None:
        """Leave the value out.

        Args:
            reason: Why.
            secret: Whether the report must not show the value.
        """
        use = Use(Outcome.DROPPED, (), reason, () if secret else (self.value,))
        self._conversion.use(self.path, use)

    def drop_secrets(self, *keys: str) -> None:
        """Leave out each text inside that looks like a secret; the report does not show it.

        Of a value that is kept although its name is that of a secret, the report says so.

        Args:
            keys: Keys whose values are secrets, whatever they look like.
        """
        waiting: list[tuple[str, Source]] = [("", self)]
        while waiting:
            above, source = waiting.pop()
            name = source.value.get("name") if isinstance(source.value, dict) else None
            for key, value in children_of(source.value):
                child = Source(value, (*source.path, key), self._conversion)
                # A variable or a property has its name beside its value.
                label = str(key)
                if key == "value":
                    label = name if isinstance(name, str) else above or label
                label = above if isinstance(key, int) else label
                is_secret = key in keys and value is not None and not isinstance(value, bool)
                if isinstance(value, str):
                    is_secret = is_secret or secrecy(label, value) is not None
                    if not is_secret and value and may_name_secret(label):
                        child.remark("kept: only its name suggests that it may be a secret")
                if is_secret:
                    child.drop("a secret", secret=True)
                    self._conversion.secrets.add(child.path)
                else:
                    waiting.append((label, child))

    @property
    def is_used(self) -> bool:
        """Whether it is known already what became of the value."""
        return self._conversion.is_used(self.path)

    def rewritten(self, reason: str) -> None:
        """Say that export writes the value in another way, so what is kept of it is converted."""
        self._conversion.rewritten[self.path] = reason

    def remark(self, reason: str) -> None:
        """Add a remark to the report on a value that `Target.put_rest` keeps."""
        self._conversion.remark(self.path, reason)

    def fail(self, reason: str) -> RecordError:
        """Return an error about the value, to raise."""
        return RecordError(self.path, reason)

    def rest(self) -> Source | None:
        """Return what an import of the same format kept in the opaque map of this object.

        Its values are `Target.restore`d, or used like any others.
        """
        for field in ("options", "metadata", "extra"):
            owner = self.get(field, dict)
            found = owner.get(self._conversion.format, dict) if owner is not None else None
            if found is not None:
                return found
        return None
