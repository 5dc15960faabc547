"""Which limits a call is under: those of its tenant, its project, its key and its model, all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.serving.state.port import Draw, Place
from shared.live import Caller
from shared.policy import Policy

Policies = tuple[Policy, Policy, Policy, Policy]
"""Of the tenant, the project, the key and the model, as `LiveView.policies` gives them."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: `limit` of `what`, of the `of` (a key, a project, ...) that is called `whose`."""

    what: str
    of: str
    whose: str
    limit: int

    @property
    def name(self) -> str:
        """The name of its meter."""
        return f"{self.what}/{self.of}/{self.whose}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Every limit that a call is under, and what is drawn of them by any call."""

    requests: Sequence[Bound]
    tokens: Sequence[Bound]
    places: Sequence[Bound]
    request_draws: Sequence[Draw]
    wanted_places: Sequence[Place]
    place_names: Sequence[str]


def bounds_of(policies: Policies, caller: Caller, model: str) -> Bounds | None:
    """The limits of a call; None when there are none."""
    owners = (
        ("tenant", caller.tenant),
        ("project", f"{caller.tenant}/{caller.project}"),
        ("key", caller.key_id),
        ("model", model),
    )
    requests, tokens, places = [], [], []
    for (of, whose), policy in zip(owners, policies, strict=True):
        limits = policy.limits
        if limits.requests_per_minute is not None:
            requests.append(Bound("requests", of, whose, limits.requests_per_minute))
        if limits.tokens_per_minute is not None:
            tokens.append(Bound("tokens", of, whose, limits.tokens_per_minute))
        if limits.concurrent is not None:
            places.append(Bound("places", of, whose, limits.concurrent))
    if not (requests or tokens or places):
        return None
    return Bounds(
        requests,
        tokens,
        places,
        request_draws=[Draw(bound.name, 1, bound.limit) for bound in requests],
        wanted_places=[Place(bound.name, bound.limit) for bound in places],
        place_names=[bound.name for bound in places],
    )


class KnownBounds:
    """The limits of the calls of late: of one key and model they are the same until a policy changes."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._known: dict[tuple[str, str], tuple[Policies, Bounds | None]] = {}

    def of(self, policies: Policies, caller: Caller, model: str) -> Bounds | None:
        """The same as `bounds_of`."""
        at = (caller.key_id, model)
        known = self._known.get(at)
        # A policy is replaced and never changed: whether it is the same object says whether it is the same.
        if known is not None and all(map(_is, known[0], policies)):
            return known[1]
        if len(self._known) >= self._most:
            self._known.clear()
        bounds = bounds_of(policies, caller, model)
        self._known[at] = (policies, bounds)
        return bounds


def _is(one: Policy, other: Policy) -> bool:
    return one is other
