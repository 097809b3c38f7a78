"""Who may call, and how much: tokens, roles, limits and deadlines."""
