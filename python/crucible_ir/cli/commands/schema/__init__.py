"""Commands on the schema."""
