"""What may come in through the door: interactions and spans, read from untyped input without I/O."""
