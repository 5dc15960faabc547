"""How a request is passed through: which operation it asks, and the form that it came as, where it is no JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import Invalid


class Shape(StrEnum):
    """What an operation answers with: one JSON object, bytes of another type, or server-sent events."""

    JSON = "json"
    BYTES = "bytes"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Field:
    """A text of a form, and where in the form's bytes it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart form, byte for byte, with the places of its texts; its files are not looked at.

    `files` are the places of the files' contents by their fields' names.
    """

    media_type: str
    raw: bytes
    delimiter: bytes
    fields: Mapping[str, Field]
    files: Mapping[str, "Span"]

    def rewritten(self, texts: Mapping[str, object]) -> bytes:
        """The form with those of its texts replaced that are others now. Raises `Invalid`."""
        changes = {
            Span(field.start, field.end): str(texts[name]).encode()
            for name, field in self.fields.items()
            if isinstance(texts.get(name), str) and texts[name] != field.text
        }
        return self.spliced(changes)

    def spliced(self, changes: Mapping["Span", bytes]) -> bytes:
        """The form with some of its places filled anew. Raises `Invalid` for what would end its part."""
        if any(self.delimiter in new for new in changes.values()):
            raise Invalid("A field of the form holds the form's own boundary.", code="invalid_form")
        pieces, at = [], 0
        for span in sorted(changes, key=lambda span: span.start):
            pieces += [self.raw[at : span.start], changes[span]]
            at = span.end
        return b"".join([*pieces, self.raw[at:]])


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a form's bytes."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """An operation by its path after a provider's base URL, what it answers with, and the form that asks it."""

    path: str
    shape: Shape = Shape.JSON
    form: Form | None = None
