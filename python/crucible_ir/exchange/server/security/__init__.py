"""Access control: tokens, roles, limits and deadlines."""
