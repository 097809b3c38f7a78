"""The server of the exchange, on grpc.aio."""
