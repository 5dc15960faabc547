"""The SQL gate: what a tenant's user may ask, made into a statement that can only see that tenant.

The user's text is parsed, checked against allow-lists and written anew, each table replaced by its rows
of one tenant. The engine's own reading of the new text must then agree before it runs.
"""
