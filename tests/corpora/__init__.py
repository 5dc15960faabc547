"""Texts that tests read: what must be refused, and what must work."""
