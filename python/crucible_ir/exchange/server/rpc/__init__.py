"""The parts of every call: interceptors, hooks, errors and request validation."""
