"""Conversions: a source whose every value is accounted for, and the target that it fills.

A conversion reads values through `Source` and sets them through `Target`. Each call says which
value of the source a value of the target comes from, so the fidelity report needs no lists of its
own: what no call used is kept in an opaque map, or reported as dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.interchange.mapping.source import Account, Source, Use
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import MAX_OPAQUE_LEVELS, children_of, opaque_json
from crucible_ir.paths import MapKey

if TYPE_CHECKING:
    pass

#: What stands in for the name of something that the source does not name.
UNKNOWN: Final = "unknown"


#: The key in the opaque map that lists the paths of numbers which are kept as text.
NUMBERS: Final = "numbers_as_text"

#: The key in the opaque map that lists the paths of values which the import filled in.
DEFAULTED: Final = "defaulted"


#: The outcomes of values that export writes again as they were.
EXACT: Final = (Outcome.KEPT, Outcome.RENAMED, Outcome.OPAQUE)


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
        self._uses: dict[Path, Use] = {}
        self._touched: set[Path] = set()
        self._accounts: dict[Path, Account] = {}
        self._defaults: list[tuple[Path, object, str]] = []
        self._remarks: dict[Path, str] = {}
        #: The values of which `opaque_rest` has kept the rest.
        self._taken: set[Path] = set()

    def use(self, path: Path, use: Use) -> None:
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
        for step, item in children_of(source.value):
            child = Source(item, (*source.path, step), self)
            used = child.path in self._uses or child.path in self._taken
            if isinstance(result, list):
                # The other items keep their places.
                kept = hole(item) if used else self.opaque_rest(child, (*target, step), outcome)
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
                for step, child in children_of(part.value):
                    child_source = Source(child, (*part.path, step), self)
                    note(child_source, (*steps, step))
            else:
                part.use(outcome, target + steps)

        note(source, ())
        return value

    def _record(self, path: Path, use: Use, *, inside: bool = False) -> None:
        if self.rewritten and use.outcome in EXACT:
            lengths = range(len(path), -1, -1)
            reason = next((r for n in lengths if (r := self.rewritten.get(path[:n]))), "")
            if reason:
                use = use._replace(outcome=Outcome.CONVERTED, reason=reason)
        self._add(path, use, inside)

    def _add(self, path: Path, use: Use, inside: bool) -> None:
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
                    for step, child in children_of(value)
                ]
                waiting += reversed(children)
            elif path:
                yield path, value


def hole(value: object) -> object:
    """Return what stands in a list for an item that was used."""
    return "" if isinstance(value, str) else None
