"""Messages, changes and the schema, as text for people and for programs."""
