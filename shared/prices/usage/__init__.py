"""Raw usage as providers report it, read into disjoint classes: one file per family of dialects."""
