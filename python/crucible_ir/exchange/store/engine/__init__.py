"""The databases: connections, threads, transactions and migrations."""
