"""Which upstreams may be asked for a call, in which order, how often, and how each of them is doing."""
