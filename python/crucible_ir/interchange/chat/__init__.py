"""What the formats of chat services share: tools and their calls, media, records and errors."""
