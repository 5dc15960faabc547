"""Upstreams that speak OpenAI's protocols: requests and replies pass byte for byte.

Shapes as in openai 3.57 (`types/chat`, `types/completion.py`, `types/responses`).
"""
