"""The clients of the exchange: a blocking one and one for asyncio, and their shared parts."""
