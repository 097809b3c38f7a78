"""What every call passes through: interceptors, hooks, errors and request validation."""
