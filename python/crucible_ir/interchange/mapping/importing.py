"""Imports: a foreign record becomes documents, and what nothing used is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crucible_ir.interchange.mapping.conversion import DEFAULTED, NUMBERS, Conversion
from crucible_ir.interchange.mapping.decoded import Decoded
from crucible_ir.interchange.mapping.dialect import DIALECT
from crucible_ir.interchange.mapping.patterns import Path, write_path
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.interchange.mapping.source import RecordError, Source, Use
from crucible_ir.interchange.mapping.target import Target, opaque_field
from crucible_ir.interchange.mapping.values import (
    SURROGATE,
    opaque_json,
    unicode_text,
    value_at,
)
from crucible_ir.paths import Part, parse_path
from crucible_ir.schema.types import descriptor_of, message_types
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json.canonical import digest
from crucible_ir.validation.check import violations

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The most passes that take values back which break a rule of the schema.
_MAX_REPAIRS = 40


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

    def _add(self, path: Path, use: Use, inside: bool) -> None:
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
                super()._add(place, Use(outcome, to, reason, (value,)), inside)
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
            self._keep(path, value_at(self.source.value, path), record=False)

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
                use = Use(Outcome.DROPPED, (), reason or "no place for it", (value,))
                self._record(path, use, inside=inside)
            return
        target, under = found
        named = under + path[length:]
        steps = tuple(map(unicode_text, named))
        if steps != named:
            reason = reason or SURROGATE
        changes: list[tuple[Path, object, object, str]] = []
        kept = opaque_json(value, changes)
        field = opaque_field(target.descriptor)
        self._set_rest(target, field, steps, kept)
        places = [place for place, number, *_ in changes if isinstance(number, (int, float))]
        self._list_numbers(target, field, [(*map(str, steps), *place) for place in places])
        if not record:
            return
        target_path = (*target.path, field, self.format, *steps)
        if reason:
            self._record(
                path, Use(Outcome.CONVERTED, target_path, reason, (value, None)), inside=inside
            )
        elif changes:
            shown_reason = "; ".join(dict.fromkeys(each[3] for each in changes))
            use = Use(Outcome.CONVERTED, target_path, shown_reason, (value, kept))
            self._record(path, use, inside=inside)
        else:
            self._record(path, Use(Outcome.OPAQUE, target_path, "", (value,)), inside=inside)

    def _set_rest(self, target: Target, field: str, steps: Path, value: object) -> None:
        owner = target.value.setdefault(field, {}).setdefault(self.format, {})
        for step in steps[:-1]:
            owner = owner.setdefault(str(step), {})
        if steps:
            owner[str(steps[-1])] = value

    def _list_numbers(self, target: Target, field: str, paths: list[Path]) -> None:
        """List the numbers that are kept as text, so that export writes them as numbers again."""
        if paths:
            owner = target.value[field][self.format]
            # Sorted, since opaque JSON does not keep the order of the keys.
            owner[NUMBERS] = sorted({*owner.get(NUMBERS, []), *map(write_path, paths)})

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


def _without_number(path: Path) -> Path:
    """Return the path of a field without the number of its document among those of its type.

    Patterns split only where outcomes differ, and so not between documents.
    """
    return path[:1] + path[2:] if len(path) > 1 and type(path[1]) is int else path


def _remove(value: Any, steps: Path) -> bool:
    """Remove the value at a path, and objects around it that are empty then.

    Returns:
        Whether that was possible.
    """
    owner = value_at(value, steps[:-1])
    if not isinstance(owner, dict) or steps[-1] not in owner:
        return False
    del owner[steps[-1]]
    for length in range(len(steps) - 1, 0, -1):
        around = value_at(value, steps[: length - 1])
        if owner or not isinstance(around, dict):
            break
        del around[steps[length - 1]]
        owner = around
    return True
