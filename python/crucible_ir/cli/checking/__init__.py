"""Checks of many documents, and their reports."""
