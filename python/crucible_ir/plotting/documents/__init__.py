"""From documents of the schema to charts."""
