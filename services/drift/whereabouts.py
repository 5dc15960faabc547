"""Where an interaction ran: feedback names only its id, and is about a model in an environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

PREFIX = "whereabouts/"
_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class Place:
    """The model that was asked, and where."""

    model: str
    environment: str


class Whereabouts:
    """The places of the last interactions, of every tenant by itself; the oldest go, a page at a time.

    A page is one blob. Only the last one is written again.
    """

    def __init__(self, most: int) -> None:
        self._most_pages = -(-most // _PER_PAGE)
        self._pages: dict[int, list[list[str]]] = {}
        self._places: dict[tuple[str, str], Place] = {}

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Begin anew from the stored pages."""
        names = sorted((n for n in states if n.startswith(PREFIX)), key=_number)
        self._pages = {_number(name): orjson.loads(states[name]) for name in names}
        self._places = {}
        for page in self._pages.values():
            for tenant, interaction_id, model, environment in page:
                self._places[tenant, interaction_id] = Place(model, environment)

    def find(self, tenant: str, interaction_id: str) -> Place | None:
        """Where an interaction of the tenant ran, if it is remembered."""
        return self._places.get((tenant, interaction_id))

    def remember(self, entries: Iterable[tuple[str, str, Place]]) -> dict[str, bytes | None]:
        """Add (tenant, interaction, place) entries: the blobs that changed."""
        written: set[int] = set()
        for tenant, interaction_id, place in entries:
            if self._most_pages == 0 or (tenant, interaction_id) in self._places:
                continue
            last = max(self._pages, default=0)
            if len(self._pages.get(last, ())) >= _PER_PAGE:
                last += 1
            row = [tenant, interaction_id, place.model, place.environment]
            self._pages.setdefault(last, []).append(row)
            self._places[tenant, interaction_id] = place
            written.add(last)
        removed = self._drop_oldest()
        pages = {n: orjson.dumps(self._pages[n]) for n in written - removed}
        return {f"{PREFIX}{n}": pages.get(n) for n in written | removed}

    def _drop_oldest(self) -> set[int]:
        over = sorted(self._pages)[: max(len(self._pages) - self._most_pages, 0)]
        for number in over:
            for tenant, interaction_id, *_ in self._pages.pop(number):
                del self._places[tenant, interaction_id]
        return set(over)


def _number(name: str) -> int:
    return int(name.removeprefix(PREFIX))
