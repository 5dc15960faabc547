"""Personal data in text: what was seen, and the text without it."""


def redact(text: str) -> str:
    """The text with each piece of personal data replaced by its kind in brackets."""
    return text
