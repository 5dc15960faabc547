"""One text of a streamed answer: what of it is decided, so that a piece that is split is still found whole."""

import re
from collections.abc import Sequence

from services.serving.guards.inspection import Found, found_in, redactions
from services.serving.guards.port import Marker
from services.serving.guards.rail import Rail
from services.serving.guards.redaction import Edit, ends_inside, in_json
from shared.pii.folding import Folded, fold, fold_json

# What of a text that was let go is still looked at: the words that name what comes.
LOOK_BEHIND_CHARS = 256
# What one text may hold back: a guard that asks for more is overruled, and what is held is decided as it is.
MAX_HELD_CHARS = 16_000


class Channel:
    """Takes a text in pieces and decides it from its beginning on, as early as its guards allow.

    Places are counted from the beginning of the whole text. `decided` never goes back; behind it nothing
    is to be let go. `edits` are what changes in what is decided. However a text is cut, what is found in it
    is what is found in the whole, as long as no guard asks for more than `MAX_HELD_CHARS`.
    """

    def __init__(self, markers: Sequence[tuple[Rail, Marker]], *, encoded: bool) -> None:
        self._markers = markers
        self._endings = list(dict.fromkeys(marker.unfinished for _, marker in markers))
        self._encoded = encoded
        self._text = ""  # from `_base` on: what was let go last, and what is not decided
        self._base = 0
        self._inside = False  # of a string of JSON, where it is decided
        self._barred: int | None = None
        self.decided = 0
        self.edits: list[Edit] = []

    @property
    def size(self) -> int:
        """How many characters came."""
        return self._base + len(self._text)

    @property
    def free(self) -> int:
        """Up to where it may be let go: what is decided, and not behind what is blocked."""
        return self.decided if self._barred is None else min(self._barred, self.decided)

    def feed(self, piece: str) -> Sequence[Found]:
        """Take the next piece; what was found in what is decided now."""
        if self.size == self.decided == 0 or not self._text.strip():
            self._encoded = self._encoded or (self._text + piece).lstrip()[:1] in ("{", "[")
        self._text += piece
        return self._decide(ended=False)

    def end(self) -> Sequence[Found]:
        """Nothing more comes, or nothing more is waited for: all of it is decided."""
        return self._decide(ended=True)

    def forget(self, place: int) -> None:
        """Nobody needs the edits before a place any more."""
        self.edits = [edit for edit in self.edits if edit.end > place]

    def _decide(self, *, ended: bool) -> Sequence[Found]:
        folded = fold_json(self._text) if self._encoded else fold(self._text)
        found = found_in(folded, self._markers)
        cut = len(self._text) if ended else self._cut(folded, found)
        start = self.decided - self._base
        new = [one for one in found if one.end <= cut and self._is_new(one, start)]
        barred = [self._base + one.start for one in new if one.rail.action == "block"]
        if barred and self._barred is None:
            self._barred = min(barred)
        self._edit(new, start, cut)
        self._keep(cut)
        return new

    def _cut(self, folded: Folded, found: Sequence[Found]) -> int:
        """Up to where the text can be decided now."""
        known = _BROKEN_ESCAPE.sub("", folded.text) if self._encoded else folded.text
        place = min([len(known), *(unfinished(known) for unfinished in self._endings)])
        whole = place == len(folded.text)
        cut = len(self._text) if whole else folded.place(place)
        for one in sorted(found, key=lambda one: -one.start):
            if one.start < cut < one.end:
                cut = one.start
        if len(self._text) - cut > MAX_HELD_CHARS:
            return len(self._text)
        return max(cut, self.decided - self._base)

    def _is_new(self, one: Found, start: int) -> bool:
        """Whether a find is not decided yet; one that begins where the text was cut off may be none."""
        return one.start >= start or (one.end > start and one.start > 0)

    def _edit(self, found: Sequence[Found], start: int, cut: int) -> None:
        edits = redactions(found)
        if edits:
            text = self._text[start:]
            edits = [Edit(max(e.start - start, 0), e.end - start, e.by) for e in edits]
            if self._encoded:
                edits = in_json(text, edits, inside=self._inside)
            at = self.decided
            self.edits += [Edit(e.start + at, e.end + at, e.by) for e in edits]
        if self._encoded:
            self._inside = ends_inside(self._text[start:cut], inside=self._inside)

    def _keep(self, cut: int) -> None:
        self.decided = self._base + cut
        gone = max(0, cut - LOOK_BEHIND_CHARS)
        self._text = self._text[gone:]
        self._base += gone


# The beginning of an escape whose end has not come, at any depth of strings in strings.
_BROKEN_ESCAPE = re.compile(r"\\+(?:u[0-9A-Fa-f]{0,3})?\Z")
