"""Conversions: a source whose every value is accounted for, and the target that it fills.

A conversion reads values through `Source` and sets them through `Target`. Each call says which
value of the source a value of the target comes from, so the fidelity report needs no lists of its
own: what no call used is kept in an opaque map, or reported as dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from crucible_ir.errors import Error
from crucible_ir.interchange.mapping.decoded import Decoded
from crucible_ir.interchange.mapping.dialect import DIALECT, json_values
from crucible_ir.interchange.mapping.patterns import Path, write_path
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.linting.lints.opaque import may_name_secret, secrecy
from crucible_ir.paths import MapKey, Part, parse_path
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.references import reference_fields
from crucible_ir.schema.types import descriptor_of, message_types
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json.canonical import digest
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER
from crucible_ir.validation.check import violations

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: What stands in for the name of something that the source does not name.
UNKNOWN: Final = "unknown"

#: The key in the opaque map that lists the paths of values which the import filled in.
DEFAULTED: Final = "defaulted"

#: The most levels of objects and lists in opaque JSON; deeper values are kept as JSON text.
MAX_OPAQUE_LEVELS = 24

#: Why a text is not kept as it is.
_SURROGATE = "an unpaired surrogate is not Unicode text"

#: The most passes that take values back which break a rule of the schema.
_MAX_REPAIRS = 40

#: The outcomes of values that export writes again as they were.
EXACT: Final = (Outcome.KEPT, Outcome.RENAMED, Outcome.OPAQUE)


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


class _Use(NamedTuple):
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
        if value is None or (types and not _is_a(value, types)):
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
        self._conversion.use(self.path, _Use(outcome, target, reason, values))

    def implied_by(self, target: Target | Path) -> None:
        """Say that the structure of the target implies the value: export writes it again."""
        path = target.path if isinstance(target, Target) else target
        self.use(Outcome.RENAMED, path)

    def drop(self, reason: str, *, secret: bool = False) -> None:
        """Leave the value out.

        Args:
            reason: Why.
            secret: Whether the report must not show the value.
        """
        use = _Use(Outcome.DROPPED, (), reason, () if secret else (self.value,))
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
            for key, value in _children(source.value):
                child = Source(value, (*source.path, key), self._conversion)
                # A variable or a property has its name beside its value.
                label = name if key == "value" and isinstance(name, str) else str(key)
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


class Target:
    """An object that a conversion fills, and its path.

    An object inside another one is made when something is first set in it.

    Attributes:
        path: Its path.
        descriptor: The message type of the object, if it is a message.
    """

    __slots__ = ("_conversion", "_is_map", "_parent", "_value", "descriptor", "path")

    def __init__(
        self,
        conversion: Conversion,
        path: Path,
        *,
        value: dict[str, Any] | None = None,
        parent: Target | None = None,
        descriptor: Descriptor | None = None,
        is_map: bool = False,
    ) -> None:
        self._conversion = conversion
        self._is_map = is_map
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
            value, reason, outcome = whole, _SURROGATE, None
        # A `MapKey` says only in the path that the key is one of a map.
        self.value[str(key)] = value
        path = (*self.path, MapKey(key) if self._is_map else key)
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
            value, reason = whole, _SURROGATE
        items = self.value.setdefault(key, [])
        items.append(value)
        for source in sources:
            self._use(source, (*self.path, key, len(items) - 1), value, reason, None)

    def child(self, key: str) -> Target:
        """Return the object of a key, which is made when something is first set in it."""
        field = fields_of(self.descriptor).get(key) if self.descriptor is not None else None
        return Target(
            self._conversion,
            (*self.path, key),
            parent=self,
            descriptor=self._message_of(key),
            is_map=field is not None and field.is_map,
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

    def _is_list(self, key: str) -> bool:
        field = fields_of(self.descriptor).get(key) if self.descriptor is not None else None
        return field is not None and field.is_list

    def _message_of(self, key: str) -> Descriptor | None:
        field = fields_of(self.descriptor).get(key) if self.descriptor is not None else None
        if field is None or field.is_map or field.is_opaque:
            return None
        return field.message


class Conversion:
    """The base of an import and of an export of one record.

    Attributes:
        format: The name of the foreign format.
        source: The record.
        keyed: The paths of objects whose keys are data.
        rewritten: The paths of values that export writes in another way, with the reason.
        secrets: The paths of secrets, which are left out.
    """

    def __init__(self, format_: str, value: object, recorder: Recorder, prefix: Path = ()) -> None:
        self.format = format_
        self.source = Source(value, (), self)
        self.keyed: set[Path] = set()
        self.rewritten: dict[Path, str] = {}
        self.secrets: set[Path] = set()
        #: For the path of a value that was written, whether another one is its original.
        self.originals: dict[Path, Callable[[object], bool]] = {}
        self._recorder = recorder
        self._prefix = prefix
        self._uses: dict[Path, _Use] = {}
        self._touched: set[Path] = set()
        self._accounts: dict[Path, Account] = {}
        self._defaults: list[tuple[Path, object, str]] = []
        self._remarks: dict[Path, str] = {}
        #: The values of which `opaque_rest` has kept the rest.
        self._taken: set[Path] = set()

    def use(self, path: Path, use: _Use) -> None:
        """Note what became of a value of the source; the first note about a value counts."""
        if path in self._uses:
            return
        self._uses[path] = use
        self._touch(path[:-1])

    def is_used(self, path: Path) -> bool:
        """Return whether it is known what became of a value of the source."""
        return path in self._uses

    def account(self, source: Source, account: Account) -> None:
        """Say what became of everything inside a long list or object, as one.

        One value at a time, a history of many rows would take long and much memory.

        Args:
            source: The list or object.
            account: What became of its values.
        """
        self._accounts[source.path] = account
        self._touch(source.path)

    def split(self, path: Path) -> None:
        """Account for the values inside an object one by one, even if none of them is used."""
        self._touch(path)

    def _touch(self, path: Path) -> None:
        """Note that values inside an object are accounted for one by one."""
        for length in range(len(path), -1, -1):
            if path[:length] in self._touched:
                break
            self._touched.add(path[:length])

    def default(self, path: Path, value: object, reason: str) -> None:
        """Note a value of the target that the source does not have."""
        self._defaults.append((path, value, reason))

    def derive(self, path: Path, value: object, reason: str) -> None:
        """Report a value of the target that the source does not have."""
        self._recorder.add((), Outcome.DEFAULTED, path, reason=reason, values=(None, value))

    def is_hidden(self, path: Path) -> bool:
        """Return whether a value is not to be used: a secret, or one that an import filled in."""
        return path in self.secrets

    def keep_rest(self, source: Source, target: Target, under: tuple[str, ...] = ()) -> None:
        """Keep what is not used of an object in the opaque map of a message."""
        raise NotImplementedError

    def restore(self, rest: Source, target: Target, without: frozenset[str]) -> None:
        """Put back what an import kept."""
        raise NotImplementedError

    def remark(self, path: Path, reason: str) -> None:
        """Note a remark on a value that `opaque_rest` keeps."""
        self._remarks[path] = reason
        self._touch(path[:-1])

    def opaque_rest(self, source: Source, target: Path, outcome: Outcome = Outcome.OPAQUE) -> Any:
        """Return what is not used of a value as opaque JSON, and note what became of it."""
        self._taken.add(source.path)
        if not source.value or source.path not in self._touched:
            remark = self._remarks.get(source.path, "")
            return self.opaque(source, target, outcome, remark)
        if len(target) > MAX_OPAQUE_LEVELS:
            # It cannot be kept as text: a part of it may be a secret.
            source.drop("nested too deeply for opaque JSON", secret=True)
            return None
        result: Any = [] if isinstance(source.value, list) else {}
        for step, item in _children(source.value):
            child = Source(item, (*source.path, step), self)
            used = child.path in self._uses or child.path in self._taken
            if isinstance(result, list):
                # The other items keep their places.
                kept = _hole(item) if used else self.opaque_rest(child, (*target, step), outcome)
                result.append(kept)
            elif not used:
                result[opaque_json(step, [])] = self.opaque_rest(child, (*target, step), outcome)
        return result

    def opaque(
        self,
        source: Source,
        target: Path,
        outcome: Outcome = Outcome.RENAMED,
        reason: str = "",
    ) -> object:
        """Return a value as opaque JSON, and note what became of it."""
        changes: list[tuple[Path, object, object, str]] = []
        value = opaque_json(source.value, changes)
        if not changes:
            source.use(outcome, target, reason=reason)
            return value
        changed = {path: (to, reason) for path, _, to, reason in changes}
        touched = {path[:length] for path in changed for length in range(len(path))}

        def note(part: Source, steps: Path) -> None:
            if steps in changed:
                to, reason = changed[steps]
                part.use(Outcome.CONVERTED, target + steps, reason=reason, to=to)
            elif steps in touched:
                for step, child in _children(part.value):
                    child_source = Source(child, (*part.path, step), self)
                    note(child_source, (*steps, step))
            else:
                part.use(outcome, target + steps)

        note(source, ())
        return value

    def _record(self, path: Path, use: _Use, *, inside: bool = False) -> None:
        if self.rewritten and use.outcome in EXACT:
            lengths = range(len(path), -1, -1)
            reason = next((r for n in lengths if (r := self.rewritten.get(path[:n]))), "")
            if reason:
                use = use._replace(outcome=Outcome.CONVERTED, reason=reason)
        self._add(path, use, inside)

    def _add(self, path: Path, use: _Use, inside: bool) -> None:
        self._recorder.add(
            self._prefix + path,
            use.outcome,
            use.target,
            reason=use.reason,
            values=use.values,
            inside=inside,
        )

    def _unused(self) -> Iterator[tuple[Path, Any]]:
        """Record what became of the values that were used, and yield the others.

        Of values that are wholly unused, the outermost is yielded.
        """
        waiting: list[tuple[Path, Any]] = [((), self.source.value)]
        while waiting:
            path, value = waiting.pop()
            use = self._uses.get(path)
            account = self._accounts.get(path)
            if account is not None:
                account.record(self._recorder, self._prefix + path)
                yield from account.unused
            elif use is not None:
                self._record(path, use, inside=bool(value) and isinstance(value, (dict, list)))
            elif value and (not path or path in self._touched):
                keyed = path in self.keyed
                children = [
                    ((*path, MapKey(step) if keyed and isinstance(step, str) else step), child)
                    for step, child in _children(value)
                ]
                waiting += reversed(children)
            elif path:
                yield path, value


class Import(Conversion):
    """The import of one record into documents.

    Args:
        format_: The name of the foreign format.
        value: The record, as JSON values.
        recorder: Collects the fidelity report.
        prefix: The path of the record in the report.
        decoded: The record without the format's own encoding of JSON values, if it has one; the
            import reads this, and the report has the paths of the record as it is.

    Attributes:
        problems: The errors of parts of the record that are left out.
    """

    def __init__(
        self,
        format_: str,
        value: object,
        recorder: Recorder,
        prefix: Path = (),
        decoded: Decoded | None = None,
    ) -> None:
        super().__init__(format_, value if decoded is None else decoded.value, recorder, prefix)
        self.problems: list[RecordError] = []
        self._decoded = decoded
        if decoded is not None:
            self.rewritten.update(decoded.rewritten)
        self._documents: list[Target] = []
        self._rests: dict[Path, tuple[Target, tuple[str, ...]]] = {}
        #: Values that were set and had to be taken back, with the reason.
        self._returned: dict[Path, str] = {}
        #: What completes the message of each document.
        self._completions: dict[Path, Callable[[Any], None]] = {}
        self._identities: list[tuple[Target, str, tuple[tuple[Target, str], ...]]] = []

    def document(self, type_name: str) -> Target:
        """Begin a document.

        Args:
            type_name: Its message type, such as ``"Prompt"``.
        """
        descriptor = descriptor_of(message_types()[type_name]())
        before = sum(target.path[0] == type_name for target in self._documents)
        path: Path = (type_name, before) if before else (type_name,)
        target = Target(self, path, value={}, descriptor=descriptor)
        self._documents.append(target)
        return target

    @property
    def has_documents(self) -> bool:
        """Whether there is a document yet."""
        return bool(self._documents)

    def keep_rest(self, source: Source, target: Target, under: tuple[str, ...] = ()) -> None:
        """Keep what is not used of an object in the opaque map of a message."""
        self._rests.setdefault(source.path, (target, under))
        is_nested = isinstance(source.value, (dict, list))
        self._touch(source.path if is_nested else source.path[:-1])

    def complete(self, document: Target, fill: Callable[[Any], None]) -> None:
        """Fill fields of a document's message directly, which is fast for long lists.

        Args:
            document: The document.
            fill: Fills fields of the message with values that the schema allows.
        """
        self._completions[document.path] = fill

    def keep_original(self, source: Source, reason: str) -> None:
        """Keep a value as it is, beside or instead of what it was converted to."""
        self._returned[source.path] = reason

    def derive_id(self, target: Target, key: str, *references: tuple[Target, str]) -> None:
        """Give a document an id that derives from its content, since the source has none.

        Args:
            target: The document.
            key: The field of the id.
            references: Other documents, each with the field that refers to this one.
        """
        self._identities.append((target, key, references))

    def report_error(self, source: Source, reason: str) -> None:
        """Leave out a part of the record, which the report lists as an error."""
        source.drop("reported as an error")
        self.problems.append(RecordError(source.path, reason))

    def place(self, path: Path) -> Path:
        """Return the path in the record as it is, before decoding."""
        return path if self._decoded is None else self._decoded.place(path)

    def _add(self, path: Path, use: _Use, inside: bool) -> None:
        use = use._replace(target=_without_number(use.target))
        if self._decoded is None:
            super()._add(path, use, inside)
        else:
            place = self._decoded.note(path, use.outcome, use.target, use.reason, inside)
            super()._add(place, use, inside)

    def finish(self) -> list[Message]:
        """Return the documents.

        Raises:
            RecordError: A document breaks a rule of the schema that no single value explains.
        """
        for target in self._documents:
            self._repair(target)
        self._place_rest()
        self._derive_ids()
        if self._decoded is not None:
            for place, outcome, to, reason, value in self._decoded.remainder():
                inside = bool(value) and isinstance(value, (dict, list))
                super()._add(place, _Use(outcome, to, reason, (value,)), inside)
        self._note_defaults()
        return [self._message(target) for target in self._documents]

    def _message(self, target: Target) -> Message:
        message = message_types()[str(target.path[0])]()
        try:
            DIALECT.fill(target.value, message)
        except ConversionError as error:
            raise self._error(target.path + error.parts, error.reason) from None
        complete = self._completions.get(target.path)
        if complete is not None:
            complete(message)
        for violation in violations(message):
            steps = parse_path(violation.path)
            raise self._error(target.path + steps, str(violation))
        return message

    def _repair(self, target: Target) -> None:
        """Take back values that the schema does not allow, until it allows the document."""
        for _ in range(_MAX_REPAIRS):
            message = message_types()[str(target.path[0])]()
            found: list[tuple[Path, str]] = []
            try:
                DIALECT.fill(target.value, message)
            except ConversionError as error:
                found = [(each.parts, each.reason) for each in (error, *error.others)]
            else:
                for violation in violations(message):
                    found.append(
                        (self._tree_path(message, target, violation.path), violation.message)
                    )
            if not found:
                return
            if not any([self._take_back(target, path, reason) for path, reason in found]):
                return

    def _tree_path(self, message: Message, target: Target, path: str) -> Path:
        """Return the keys in the JSON values on the path of a violation."""
        names = DIALECT.document_path(descriptor_of(message), parse_path(path), target.value)
        value: Any = target.value
        steps: list[Part] = []
        for choices in names:
            step = choices[0]
            if isinstance(value, dict):
                step = next((each for each in choices if each in value), step)
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            steps.append(step)
        return tuple(steps)

    def _take_back(self, document: Target, steps: Path, reason: str) -> bool:
        """Unset the value at a path, or the nearest value around it that came from the source."""
        for length in range(len(steps), 0, -1):
            full = document.path + steps[:length]
            sources = [path for path, use in self._uses.items() if use.target == full]
            if not sources:
                continue
            if not _remove(document.value, steps[:length]):
                return False
            for path in sources:
                use = self._uses.pop(path)
                self._returned[path] = reason
                del use
            return True
        return False

    def _error(self, path: Path, reason: str) -> RecordError:
        """Return the error for a place in a document, at the nearest value of the source."""
        for length in range(len(path), 0, -1):
            for source, use in self._uses.items():
                if use.target[:length] == path[:length]:
                    return RecordError(source, f"{write_path(path)}: {reason}")
        return RecordError((), f"{write_path(path)}: {reason}")

    def _place_rest(self) -> None:
        originals = {path: self._uses[path] for path in self._returned if path in self._uses}
        for path, value in self._unused():
            self._keep(path, value, record=True)
        for path in originals:
            self._keep(path, _value_at(self.source.value, path), record=False)

    def _keep(self, path: Path, value: Any, *, record: bool) -> None:
        """Keep a value in the opaque map of the nearest message, or report it as dropped."""
        inside = bool(value) and isinstance(value, (dict, list))
        reason = self._returned.get(path, "")
        for length in range(len(path), -1, -1):
            found = self._rests.get(path[:length])
            if found is not None:
                break
        else:
            if record:
                use = _Use(Outcome.DROPPED, (), reason or "no place for it", (value,))
                self._record(path, use, inside=inside)
            return
        target, under = found
        named = under + path[length:]
        steps = tuple(map(unicode_text, named))
        if steps != named:
            reason = reason or _SURROGATE
        changes: list[tuple[Path, object, object, str]] = []
        kept = opaque_json(value, changes)
        field = opaque_field(target.descriptor)
        self._set_rest(target, field, steps, kept)
        if not record:
            return
        target_path = (*target.path, field, self.format, *steps)
        if reason:
            self._record(
                path, _Use(Outcome.CONVERTED, target_path, reason, (value, None)), inside=inside
            )
        elif changes:
            shown_reason = "; ".join(dict.fromkeys(each[3] for each in changes))
            use = _Use(Outcome.CONVERTED, target_path, shown_reason, (value, kept))
            self._record(path, use, inside=inside)
        else:
            self._record(path, _Use(Outcome.OPAQUE, target_path, "", (value,)), inside=inside)

    def _set_rest(self, target: Target, field: str, steps: Path, value: object) -> None:
        owner = target.value.setdefault(field, {}).setdefault(self.format, {})
        for step in steps[:-1]:
            owner = owner.setdefault(str(step), {})
        if steps:
            owner[str(steps[-1])] = value

    def _derive_ids(self) -> None:
        """Set the ids that derive from the content of documents.

        The content is that of the document and not of the record, so that the id is the same after
        an export that writes the record in another way.
        """
        for target, key, references in self._identities:
            message = message_types()[str(target.path[0])]()
            try:
                DIALECT.fill(target.value, message)
            except ConversionError as error:
                raise self._error((*target.path, *error.parts), error.reason) from None
            derived = f"{self.format}-{digest(message).partition(':')[2][:16]}"
            reason = "derived from the content"
            target.default(key, derived, reason)
            for other, field in references:
                other.default(field, derived, reason)

    def _note_defaults(self) -> None:
        for path, value, reason in self._defaults:
            shown = _without_number(path)
            values = (None, value)
            self._recorder.add((), Outcome.DEFAULTED, shown, reason=reason, values=values)
            # The last one: the paths of other documents of the type go on with a number.
            target = next(
                each for each in reversed(self._documents) if path[: len(each.path)] == each.path
            )
            owner = target.value.setdefault(opaque_field(target.descriptor), {})
            listed = owner.setdefault(self.format, {}).setdefault(DEFAULTED, [])
            listed.append(write_path(path[len(target.path) :]))


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
        rest = self.source.rest()
        listed = rest.get(DEFAULTED, list) if rest is not None else None
        if listed is not None and all(isinstance(path, str) for path in listed.value):
            listed.use(Outcome.CONVERTED, reason="it lists what the import filled in")
            paths = {_plain(parse_path(path)) for path in listed.value}
            values = {path: _value_at(self.source.value, path) for path in paths}
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
                use = _Use(Outcome.DEFAULTED, (), "the import filled it in", (values[path],))
                self.use(path, use)

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
            use = _Use(Outcome.DROPPED, (), "the format has no place for it", (value,))
            self._record(path, use, inside=inside)
        return self.target.value

    def _merge(
        self, rest: Source, into: Any, path: Path, without: frozenset[str] = frozenset()
    ) -> None:
        """Merge what an import kept into an object or list that the export wrote.

        Of a list of which an import used some values, the others are kept as an object with the
        indexes as keys.
        """
        for key, value in _children(rest.value):
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


def _fits_into(rest: object, current: object) -> bool:
    """Return whether what was kept of an object or list can be merged into what was written."""
    if isinstance(rest, list):
        return bool(rest) and isinstance(current, list) and len(rest) == len(current)
    return isinstance(rest, dict) and bool(rest) and isinstance(current, (dict, list))


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


def same(first: object, second: object) -> bool:
    """Return whether two JSON values are equal; true is not 1, and NaN equals NaN.

    >>> same(1, 1.0), same(True, 1), same([float("nan")], [float("nan")])
    (True, False, True)
    """
    if not isinstance(first, (dict, list)):
        return _same_scalar(first, second)
    waiting: list[tuple[object, object]] = [(first, second)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            waiting += [(one[key], other[key]) for key in one]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            waiting += zip(one, other, strict=True)
        elif not _same_scalar(one, other):
            return False
    return True


def _same_scalar(first: object, second: object) -> bool:
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    return first == second or (first != first and second != second)


def unicode_text(value: Any) -> Any:
    r"""Return a text, or a list with texts, without unpaired surrogates; other values as they are.

    >>> unicode_text("a\ud800"), unicode_text(["b"]), unicode_text(1)
    ('a?', ['b'], 1)
    """
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "replace").decode()
    elif isinstance(value, list):
        items = [unicode_text(item) if isinstance(item, str) else item for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return items
    return value


def opaque_json(
    value: Any, changes: list[tuple[Path, object, object, str]], steps: Path = ()
) -> Any:
    """Return a value as opaque JSON can hold it.

    Args:
        value: The value.
        changes: Gets the path, the value, the new value and the reason of each change.
        steps: The path of the value.

    >>> changes = []
    >>> opaque_json({"a": [2**60, "b"]}, changes)
    {'a': ['1152921504606846976', 'b']}
    >>> changes[0][0], changes[0][3]
    (('a', 0), 'opaque JSON has no integers beyond 2^53: kept as text')
    """
    if type(value) is str:
        cleaned = unicode_text(value)
        if cleaned is not value:
            changes.append((steps, value, cleaned, _SURROGATE))
        return cleaned
    if isinstance(value, (dict, list)):
        if len(steps) >= MAX_OPAQUE_LEVELS:
            text = json.dumps(value, ensure_ascii=False)
            changes.append((steps, value, text, "nested too deeply for opaque JSON: kept as text"))
            return text
        if isinstance(value, dict):
            return {
                opaque_json(str(key), changes, steps): opaque_json(
                    item, changes, (*steps, str(key))
                )
                for key, item in value.items()
            }
        return [opaque_json(item, changes, (*steps, at)) for at, item in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_EXACT_INTEGER:
        reason = "opaque JSON has no integers beyond 2^53: kept as text"
        changes.append((steps, value, str(value), reason))
        return str(value)
    if isinstance(value, float) and (value - value != 0.0):
        text = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        changes.append((steps, value, text, "opaque JSON has only finite numbers: kept as text"))
        return text
    return float(value) if isinstance(value, float) else value


def _is_a(value: object, types: Iterable[type]) -> bool:
    """Return whether a JSON value is of one of some types.

    A boolean is not a number. JSON does not distinguish 1.0 from 1, so either is an integer.
    """
    if isinstance(value, bool):
        return bool in types
    if isinstance(value, (int, float)):
        return float in types or (int in types and value == value // 1)
    return isinstance(value, tuple(types))


def _children(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _field(path: Path) -> str:
    """Return the name of a field as `reference_fields` has it."""
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path)[1:]


def _hole(value: object) -> object:
    """Return what stands in a list for an item that was used."""
    return "" if isinstance(value, str) else None


def _last_name(path: Path) -> str:
    return next((str(part) for part in reversed(path) if not isinstance(part, int)), "")


def _without_number(path: Path) -> Path:
    """Return the path of a field without the number of its document among those of its type.

    Patterns split only where outcomes differ, and so not between documents.
    """
    return path[:1] + path[2:] if len(path) > 1 and type(path[1]) is int else path


def _plain(path: Path) -> Path:
    return tuple(str(part) if isinstance(part, str) else part for part in path)


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(value, list):
            if not isinstance(step, int) or step >= len(value):
                return None
        elif not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


def _remove(value: Any, steps: Path) -> bool:
    """Remove the value at a path, and objects around it that are empty then.

    Returns:
        Whether that was possible.
    """
    owner = _value_at(value, steps[:-1])
    if not isinstance(owner, dict) or steps[-1] not in owner:
        return False
    del owner[steps[-1]]
    for length in range(len(steps) - 1, 0, -1):
        around = _value_at(value, steps[: length - 1])
        if owner or not isinstance(around, dict):
            break
        del around[steps[length - 1]]
        owner = around
    return True
