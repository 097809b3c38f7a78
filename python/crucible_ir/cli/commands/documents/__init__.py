"""The commands on documents and streams."""
