"""Messages in bulk: Arrow tables of messages."""
