"""The HTTP API: the Connect protocol, feedback for web backends, and the OpenAPI document."""
