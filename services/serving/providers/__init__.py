"""The upstreams that answer: one port, and one adapter for each protocol that they speak."""
