"""The charts: each takes a dataclass and returns a figure."""
