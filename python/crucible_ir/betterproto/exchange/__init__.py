"""The exchange for betterproto2: its messages, and the async stubs of its services."""
