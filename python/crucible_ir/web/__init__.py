"""The console and the HTTP API of an exchange."""
