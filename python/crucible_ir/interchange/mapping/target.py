"""The object that a conversion fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.values import SURROGATE, same, unicode_text
from crucible_ir.paths import MapKey
from crucible_ir.schema.fields import Field, Kind, fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.interchange.mapping.conversion import Conversion

_INTEGERS: Final = (Kind.INT32, Kind.INT64, Kind.UINT32, Kind.UINT64)

#: Why an integer became another number.
_ROUNDED: Final = "a double holds integers beyond 2^53 only nearly"


class Target:
    """An object that a conversion fills, and its path.

    An object inside another one is made when something is first set in it.

    Attributes:
        path: Its path.
        descriptor: The message type of the object, if it is a message.
    """

    __slots__ = ("_conversion", "_map", "_parent", "_value", "descriptor", "path")

    def __init__(
        self,
        conversion: Conversion,
        path: Path,
        *,
        value: dict[str, Any] | None = None,
        parent: Target | None = None,
        descriptor: Descriptor | None = None,
        map_field: Field | None = None,
    ) -> None:
        self._conversion = conversion
        self._map = map_field
        self.path = path
        self._value = value
        self._parent = parent
        self.descriptor = descriptor

    @property
    def value(self) -> dict[str, Any]:
        """The object, which is made if there is none yet, also in place of another value."""
        if self._parent is not None:
            owner, key = self._parent.value, str(self.path[-1])
            if not isinstance(owner.get(key), dict):
                # An object that became empty was perhaps removed from around it in the meantime.
                owner[key] = {} if self._value is None else self._value
            self._value = owner[key]
        assert self._value is not None
        return self._value

    def has(self, key: str) -> bool:
        """Return whether a key is set."""
        if self._parent is not None:
            last = str(self.path[-1])
            value = self._parent.value[last] if self._parent.has(last) else None
            return isinstance(value, dict) and key in value
        return key in self.value

    def put(
        self,
        key: str,
        value: Any,
        *sources: Source,
        reason: str = "",
        outcome: Outcome | None = None,
    ) -> None:
        """Set a key.

        An empty list of a message is not set or used, since the message does not keep it. Unpaired
        surrogates, which texts cut in the middle of a character have, are replaced.

        Args:
            key: The key.
            value: Its value.
            sources: The values of the source that it comes from.
            reason: Why it is another value than that of the source, if it is.
            outcome: What became of the values of the source; by default found by comparing.
        """
        if value == [] and self._is_list(key):
            return
        whole = unicode_text(value)
        if whole is not value:
            value, reason, outcome = whole, SURROGATE, None
        field = self._map or self._field(key)
        if type(value) is float and value.is_integer() and field is not None:
            # The text of a large double, as its reader takes it, is another integer.
            value = int(value) if field.kind in _INTEGERS else value
        rounded = _rounded(field, value)
        if rounded is not None:
            value, reason, outcome = rounded, _ROUNDED, None
        # A `MapKey` says only in the path that the key is one of a map.
        self.value[str(key)] = value
        path = (*self.path, MapKey(key) if self._map is not None else key)
        for source in sources:
            self._use(source, path, value, reason, outcome)

    def _use(
        self, source: Source, path: Path, value: Any, reason: str, outcome: Outcome | None
    ) -> None:
        if outcome is None:
            if not same(source.value, value):
                outcome = Outcome.CONVERTED
            elif _last_name(source.path) == _last_name(path):
                outcome = Outcome.KEPT
            else:
                outcome = Outcome.RENAMED
        is_exact = outcome in (Outcome.KEPT, Outcome.RENAMED)
        source.use(outcome, path, reason="" if is_exact else reason, to=value)

    def put_opaque(self, key: str, source: Source) -> None:
        """Set a key that takes any JSON; values that opaque JSON cannot hold are converted."""
        self.value[key] = self._conversion.opaque(source, (*self.path, key))

    def put_rest(self, key: str, source: Source, outcome: Outcome = Outcome.OPAQUE) -> None:
        """Set a key that takes any JSON to a value without what is used of it so far.

        Objects and lists keep their structure, so that an export can put the other values back.
        """
        self.value[key] = self._conversion.opaque_rest(source, (*self.path, key), outcome)

    def append(self, key: str) -> Target:
        """Add an object to the list of a key."""
        items = self.value.setdefault(key, [])
        items.append({})
        path = (*self.path, key, len(items) - 1)
        return Target(self._conversion, path, value=items[-1], descriptor=self._message_of(key))

    def append_value(self, key: str, value: Any, *sources: Source, reason: str = "") -> None:
        """Add a value to the list of a key."""
        whole = unicode_text(value)
        if whole is not value:
            value, reason = whole, SURROGATE
        items = self.value.setdefault(key, [])
        items.append(value)
        for source in sources:
            self._use(source, (*self.path, key, len(items) - 1), value, reason, None)

    def child(self, key: str) -> Target:
        """Return the object of a key, which is made when something is first set in it."""
        field = self._field(key)
        return Target(
            self._conversion,
            (*self.path, key),
            parent=self,
            descriptor=self._message_of(key),
            map_field=field if field is not None and field.is_map else None,
        )

    def default(self, key: str, value: Any, reason: str) -> None:
        """Set a key to a value that the source does not have."""
        self.value[key] = value
        self._conversion.default((*self.path, key), value, reason)

    def prefer_original(self, key: str, is_original: Callable[[object], bool]) -> None:
        """Say that a value which an import kept may replace the one that was written.

        Args:
            key: The key that was written.
            is_original: Returns whether a value is what the field was converted from.
        """
        self._conversion.originals[(*self.path, key)] = is_original

    def keep_rest(self, source: Source, *under: str) -> None:
        """Keep what is not used of an object of the source in the opaque map of this message.

        An object that is no message, such as the definition of a tool, gets an opaque map
        ``options``.

        Args:
            source: The object.
            under: The keys under which it is kept; none for the opaque map itself.
        """
        self._conversion.keep_rest(source, self, under)

    def mark(self, *keys: str) -> None:
        """Note in the opaque map how the source wrote this message, for the export."""
        owner = self.value.setdefault(opaque_field(self.descriptor), {})
        for key in (self._conversion.format, *keys):
            owner = owner.setdefault(key, {})

    def note(self, key: str, source: Source) -> None:
        """Keep a value of the source in the opaque map, beside what other documents make of it."""
        field = opaque_field(self.descriptor)
        owner = self.value.setdefault(field, {}).setdefault(self._conversion.format, {})
        owner[key] = source.value
        source.use(Outcome.OPAQUE, (*self.path, field, self._conversion.format, key))

    def derive(self, key: str, value: Any, reason: str) -> None:
        """Set a key to a value that the source does not have, and that export writes."""
        self.value[key] = value
        self._conversion.derive((*self.path, key), value, reason)

    def restore(self, rest: Source | None, *, without: Iterable[str] = ()) -> None:
        """Put back what an import kept, once everything else is written.

        Args:
            rest: What it kept.
            without: The keys that the export uses itself.
        """
        if rest is not None:
            self._conversion.restore(rest, self, frozenset(without))

    def _field(self, key: str) -> Field | None:
        return fields_of(self.descriptor).get(key) if self.descriptor is not None else None

    def _is_list(self, key: str) -> bool:
        field = self._field(key)
        return field is not None and field.is_list

    def _message_of(self, key: str) -> Descriptor | None:
        field = self._field(key)
        if field is None or field.is_map or field.is_opaque:
            return None
        return field.message


def opaque_field(descriptor: Descriptor | None) -> str:
    """Return the field of a message type that takes the keys of a foreign format.

    An object that is no message has ``options``.

    >>> from crucible_ir import v1
    >>> [opaque_field(each.DESCRIPTOR) for each in (v1.TrainingRun, v1.Prompt, v1.Choice)]
    ['options', 'metadata', 'metadata']
    """
    if descriptor is None:
        return "options"
    fields = fields_of(descriptor)
    for name in ("options", "metadata", "extra"):
        field = fields.get(name)
        if field is not None and field.message is not None and field.message.name == "Struct":
            return name
    raise ValueError(f"{descriptor.name} has no opaque map")


def _last_name(path: Path) -> str:
    return next((str(part) for part in reversed(path) if not isinstance(part, int)), "")


def _rounded(field: Field | None, value: object) -> float | None:
    """Return the double that a field takes for an integer which it cannot hold exactly."""
    if type(value) is not int or field is None or field.kind is not Kind.DOUBLE:
        return None
    try:
        rounded = float(value)
    except OverflowError:
        # The reader of the field rejects it.
        return None
    return None if rounded == value else rounded
