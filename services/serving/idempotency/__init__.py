"""Idempotency keys: of all the retries of one request, one asks an upstream, and each is answered the same."""
