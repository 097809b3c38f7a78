"""Whether a message keeps the schema's rules, and what the rules mean."""
