"""The services: one folder each, the same file names in each, and no service imports another."""
