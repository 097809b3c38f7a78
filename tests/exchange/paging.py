"""Reading a list of a store to its end."""

from __future__ import annotations

from dataclasses import replace

from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.records import ListQuery, StoredEntry


async def all_pages(store: Store, query: ListQuery) -> list[StoredEntry]:
    """Return all entries of a list, page by page."""
    entries: list[StoredEntry] = []
    while True:
        page = await store.list_documents(query)
        entries += page.entries
        if page.next is None:
            return entries
        query = replace(query, after=page.next)
