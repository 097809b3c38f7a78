"""The SQL statements of a store, as functions of a connection in a transaction."""
