"""Derives the conformance cases from the schema, with expected values from independent truths."""
