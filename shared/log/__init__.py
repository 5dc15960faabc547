"""The log: facts are appended to an outbox, read by groups, and never lost or counted twice."""
