"""The server of the exchange: its services on grpc.aio, and what guards them."""
