"""What the exchange reads from a document: its identity, its indexed fields and its references."""
