"""The evaluators, one file each: a question about an answer that needs no model to be answered."""
