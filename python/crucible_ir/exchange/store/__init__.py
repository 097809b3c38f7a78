"""The store behind a server: one narrow interface, in SQLite or PostgreSQL."""

from crucible_ir.exchange.store.interface import Store
from crucible_ir.exchange.store.opening import StoreAddressError, open_store

__all__ = ["Store", "StoreAddressError", "open_store"]
