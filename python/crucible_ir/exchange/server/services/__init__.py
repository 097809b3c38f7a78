"""The services of the exchange, and what they share."""
