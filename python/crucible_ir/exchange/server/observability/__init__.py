"""What operators see of calls: logs, metrics and traces."""
