"""The clients of the exchange: one that blocks and one for asyncio, over the same parts."""
