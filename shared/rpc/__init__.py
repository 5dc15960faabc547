"""gRPC between services and at the door of ingest: one server, one channel, one table of errors."""
