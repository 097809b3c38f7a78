"""How far back the history of changes goes: what is older is dropped, at once or hour by hour."""

from __future__ import annotations

import time

from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.records import Microseconds


async def compact_history(store: Store, kept: Microseconds) -> int:
    """Drop the changes before the first one that was made within a time before now.

    Args:
        store: The store.
        kept: The time, in microseconds.

    Returns:
        The sequence number up to which history is gone.

    Raises:
        StoreFailure: The store failed.
    """
    return await store.compact(await store.made_before(time.time_ns() // 1000 - kept))
