"""The store behind a server, in SQLite or PostgreSQL."""

from crucible_ir.exchange.store.opening import StoreAddressError, open_store
from crucible_ir.exchange.store.sql_store import Store

__all__ = ["Store", "StoreAddressError", "open_store"]
