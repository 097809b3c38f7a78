"""Documents in the formats and containers in which other programs exchange them."""
