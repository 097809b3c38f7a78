"""The answers with one document each, written once for as long as the document is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.conversions import write_entry

if TYPE_CHECKING:
    from crucible_ir.exchange.store.records import Entry

#: The most answers to keep, and the largest, in bytes: larger ones cost more to send than to write.
MOST_ENTRIES: Final = 1024
MOST_BYTES: Final = 4096


class WrittenEntries:
    """Keeps answers by the sequence number of their revision, which never changes."""

    def __init__(self) -> None:
        self._written: dict[int, bytes] = {}

    def response(self, entry: Entry) -> bytes:
        """Return the ``GetResponse`` with an entry, in binary."""
        sequence = entry.record.sequence
        written = self._written.get(sequence)
        if written is not None:
            return written
        message = v1.GetResponse()
        write_entry(entry, message)
        written = message.SerializeToString()
        if len(written) <= MOST_BYTES:
            if len(self._written) >= MOST_ENTRIES:
                # Those that are asked for are soon here again.
                self._written.clear()
            self._written[sequence] = written
        return written
