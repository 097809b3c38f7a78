"""The commands on the schema."""
