"""The documentation site: its pages, from docs/, the schema, the commands and the docstrings."""
