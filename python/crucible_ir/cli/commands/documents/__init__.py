"""Commands on documents and streams."""
