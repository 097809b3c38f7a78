"""A cache of recently read latest revisions, which is valid as long as nothing changes.

An entry is valid while the version of the store stays the same: a number that is another one after
each change, by this process or by others on the same database.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crucible_ir.exchange.store.records import StoredEntry

#: The most bytes of documents to keep.
MAX_BYTES: Final = 16 * 1024 * 1024

#: The approximate size of an entry without its document, in bytes.
_OVERHEAD: Final = 1024


class EntryCache:
    """Caches the most recently used entries, up to a size.

    Args:
        version: Returns the version of the store; ``None`` while it is unknown, so that nothing is
            cached.
        max_bytes: The most bytes of documents to keep.
    """

    def __init__(self, version: Callable[[], int | None], max_bytes: int = MAX_BYTES) -> None:
        self._version = version
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[str, str], StoredEntry] = OrderedDict()
        self._bytes = 0
        self._as_of: int | None = None

    def find(self, type_: str, id_: str) -> StoredEntry | None:
        """Return the latest revision of a document, if it is cached."""
        version = self._version()
        if version != self._as_of:
            self.clear()
            self._as_of = version
        key = (type_, id_)
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def clear(self) -> None:
        """Forget all entries, and those that are being read."""
        self._entries.clear()
        self._bytes = 0
        self._as_of = None

    @property
    def as_of(self) -> int | None:
        """The version as of the last `find`."""
        return self._as_of

    def add(self, entry: StoredEntry, as_of: int | None) -> None:
        """Cache an entry, unless something changed since it was read.

        Args:
            entry: The entry, which was not in the cache.
            as_of: The value of `as_of` before the entry was read.
        """
        key = (entry.record.type, entry.record.id)
        size = _size_of(entry)
        if as_of is None or as_of != self._as_of or key in self._entries or size > self._max_bytes:
            return
        self._entries[key] = entry
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size_of(oldest)


def _size_of(entry: StoredEntry) -> int:
    return len(entry.document or b"") + _OVERHEAD
