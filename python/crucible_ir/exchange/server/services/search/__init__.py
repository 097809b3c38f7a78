"""Filters and orders of lists, as text."""
