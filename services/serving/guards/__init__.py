"""Guards in the path of a call: what they look for in what is asked and answered, and what is done about it."""
