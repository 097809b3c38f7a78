"""The conformance protocol for betterproto2: its messages."""
