"""Conformance tests: check an implementation of the IR in any language against published cases."""
