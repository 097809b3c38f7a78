"""Personal data in feedback: redaction before it is stored, and how long it is kept."""
