"""Observability: logs, metrics and traces of calls."""
