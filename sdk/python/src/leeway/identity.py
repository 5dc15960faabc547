"""Which interaction a reply belongs to: the id to give feedback on."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

from leeway.context import last_interaction, note_interaction

HEADER = "x-leeway-interaction-id"

# Where clients keep the HTTP response behind what they answer: streams, raw responses, errors, helpers.
_CARRIERS = ("response", "http_response", "_response", "_raw_stream")


def interaction_id(reply: object = None) -> str | None:
    """The id of the interaction that a reply belongs to; without a reply, of this context's last one.

    A reply is what `leeway.openai`'s clients (or an observed client) answered: a completed reply, a
    stream before or after it is read, a raw response, or an error. None when Leeway does not know it.
    """
    if reply is None:
        return last_interaction()
    remembered = _KNOWN.of(reply)
    if remembered is not None:
        return remembered
    return next(filter(None, map(_header, _around(reply))), None)


def remember(reply: object, interaction: str) -> None:
    """Know the reply's interaction for as long as the reply lives, and as this context's last one."""
    note_interaction(interaction)
    _KNOWN.add(reply, interaction)


def _around(reply: object) -> Iterator[object]:
    yield reply
    for name in _CARRIERS:
        carrier = getattr(reply, name, None)
        if carrier is not None:
            yield carrier
            yield getattr(carrier, "response", None)


def _header(carrier: object) -> str | None:
    headers = getattr(carrier, "headers", None)
    read = getattr(headers, "get", None)
    value = read(HEADER) if callable(read) else None
    return value if isinstance(value, str) else None


class _Known:
    """Ids by the identity of objects that are compared by value, and so cannot be keys themselves."""

    def __init__(self) -> None:
        self._ids: dict[int, tuple[weakref.ref[object], str]] = {}

    def add(self, reply: object, interaction: str) -> None:
        key = id(reply)

        def forget(dead: weakref.ref[object]) -> None:
            if self._ids.get(key, (None, ""))[0] is dead:
                self._ids.pop(key, None)

        try:
            self._ids[key] = (weakref.ref(reply, forget), interaction)
        except TypeError:  # it is of a type that cannot be referred to weakly, such as a string
            return

    def of(self, reply: object) -> str | None:
        known = self._ids.get(id(reply))
        return known[1] if known is not None and known[0]() is reply else None


_KNOWN = _Known()
