"""Which routes a call may take at all: a route never escapes a control, as the first choice or as the last."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from shared.live import Model, Route
from shared.policy import Policy, is_no_stricter


def permitted(route: Route, tenant: str, tags: Mapping[str, str]) -> bool:
    """Whether a call of a tenant with tags may take a route.

    >>> eu = Route("a", "m", tags=("region=eu",))
    >>> permitted(eu, "acme", {"region": "eu", "team": "x"}), permitted(eu, "acme", {"region": "us"})
    (True, False)
    """
    if route.tenants and tenant not in route.tenants:
        return False
    return all(_carries(tags, wanted) for wanted in route.tags)


def stand_ins(
    model: Model, models: Mapping[str, Model], policies: Sequence[Policy]
) -> Sequence[Model]:
    """The public names that may answer for one, in order. Their own fallbacks are not followed.

    A name that the caller could not have asked for itself is none of them; nor is one that sets limits,
    guards or bounds other than those the call was let in by.
    """
    named = (models[name] for name in model.fallbacks if name in models)
    return [
        other
        for other in named
        if may_ask(other.name, policies) and is_no_stricter(other.policy, model.policy)
    ]


def may_ask(name: str, policies: Sequence[Policy]) -> bool:
    """Whether each policy that lists the public names that may be asked lists this one."""
    return all(
        not policy.models or any(fnmatchcase(name, pattern) for pattern in policy.models)
        for policy in policies
    )


def _carries(tags: Mapping[str, str], wanted: str) -> bool:
    name, _, value = wanted.partition("=")
    return tags.get(name) == value
