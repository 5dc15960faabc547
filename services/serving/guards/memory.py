"""The texts of a streamed answer as a whole, for the guards that judge whole texts or only look."""

from dataclasses import dataclass, field

from services.serving.domain.request import Request
from services.serving.guards.inspection import (
    MAX_JUDGED_CHARS,
    Findings,
    inspected,
    judged,
    reviewed,
)
from services.serving.guards.rails import Rails
from services.serving.guards.slots import Key, Slot
from services.serving.guards.utterances import Utterance, Voice, is_encoded

# The last word of the key of what an answer says, in each protocol; others are thoughts, refusals and calls.
_SAID = frozenset(("content", "text", "response.output_text"))


@dataclass(slots=True)
class _Text:
    encoded: bool
    pieces: list[str] = field(default_factory=list)


class Memory:
    """Keeps texts until they end, up to `MAX_JUDGED_CHARS` of all; nothing when nobody wants them."""

    def __init__(self, request: Request, rails: Rails) -> None:
        self._asked = request.body.tree
        self._rails = rails
        self._texts: dict[Key, _Text] = {}
        self._room = MAX_JUDGED_CHARS
        self._calls_tools = False

    def keep(self, slot: Slot) -> None:
        """Take the next piece of a text."""
        if not self._rails:
            return
        self._calls_tools = self._calls_tools or slot.encoded
        text = self._texts.setdefault(slot.key, _Text(slot.encoded))
        text.pieces.append(slot.text[: self._room])
        self._room -= len(text.pieces[-1])

    def judged(self, key: Key) -> Findings:
        """What is found in the texts of a key, which have ended; each is judged once."""
        findings = Findings("output")
        ended = [name for name in self._texts if name[: len(key)] == key]
        for name in ended:
            self._judge(name, self._texts.pop(name), findings)
        return findings

    def _judge(self, key: Key, kept: _Text, findings: Findings) -> None:
        text = "".join(kept.pieces)
        encoded = kept.encoded or is_encoded("", text)
        said = [Utterance(key, text, Voice.MODEL, encoded=encoded)]
        inspected(said, self._rails, findings)
        judged(said, self._rails, findings)
        if key[-1] in _SAID and not self._calls_tools:
            reviewed(self._asked, text, self._rails, findings)
