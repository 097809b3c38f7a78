"""Commands for the formats and containers of other programs."""
