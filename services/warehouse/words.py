"""Lists of names as text: easier to read, to sort and to compare than a column of quoted strings."""


def words(*texts: str) -> frozenset[str]:
    """The words of the texts.

    >>> sorted(words("b a", "a c"))
    ['a', 'b', 'c']
    """
    return frozenset(word for text in texts for word in text.split())
