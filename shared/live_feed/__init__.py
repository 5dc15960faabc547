"""How a process learns what is live without the log: the registry's snapshot and its changes, over gRPC."""
