"""Text that comes in pieces which may end within a character."""

from services.serving.domain.answer import joined


class Pieces:
    """Makes each piece valid Unicode: half a character at the end of one waits for its other half.

    >>> pieces = Pieces()
    >>> pieces.take("a" + chr(0xD83D)), pieces.take(chr(0xDE00)) == "\\N{GRINNING FACE}", pieces.rest()
    ('a', True, '')
    """

    def __init__(self) -> None:
        self._held = ""

    def take(self, piece: str) -> str:
        """What of the text so far was not given yet, and is whole."""
        if not self._held and piece.isascii():
            return piece
        text = self._held + piece
        self._held = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return joined([text.removesuffix(self._held)])

    def rest(self) -> str:
        """What stands for the half whose other half never came."""
        text, self._held = joined([self._held]), ""
        return text
