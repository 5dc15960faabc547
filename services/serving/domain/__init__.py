"""A call's life as values: request, gate, route, answer, usage, record. Nothing here does I/O."""
