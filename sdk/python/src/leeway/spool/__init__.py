"""The disk behind the memory: segments of checksummed records, shared by processes through locks."""
