"""An upstream that speaks Google's generateContent, asked and answering in OpenAI's chat shape.

Shapes as in google-genai 3.6 (`types.py`, and `models.py` for the names on the wire).
"""
