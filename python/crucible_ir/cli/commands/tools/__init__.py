"""The commands for implementers and shells."""
