"""Reflection over the schema: message types, vocabularies, defaults, comments and rules."""
