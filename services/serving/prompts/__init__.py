"""Prompts: texts with a name, versions and labels, that a request names instead of writing them out."""
