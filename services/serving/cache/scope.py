"""Who may be given a kept answer: a tenant's callers for whom the same would have been asked and let through."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from services.serving.cache.identity import sha256
from services.serving.cache.port import Scope
from shared.interactions import Context
from shared.live import Caller, Model, Route
from shared.policy import Policy


def scope_of(
    caller: Caller,
    context: Context,
    policies: Sequence[Policy],
    models: Mapping[str, Model],
    model: str,
) -> Scope:
    """The scope of a call for a public model: its `policies` are those of tenant, project, key and model.

    Its rules are the project, the allow-lists, guardrails and bounds of every policy, the prompt and its
    version, and the upstreams that may answer this caller: where one of them differs, nothing is shared.
    """
    rules = {
        "project": caller.project,
        "policies": [_what_shows(policy) for policy in policies],
        "prompt": [context.prompt_name, context.prompt_version],
        "routes": [
            [route.provider, route.model]
            for name in _with_fallbacks(models, model)
            for route in models[name].routes
            if _may_go(route, caller, context)
        ],
    }
    return Scope(caller.tenant, sha256(rules))


def subject_of(tenant: str, user_id: str) -> str:
    """The digest under which a subject's answers are found again to be erased; empty for nobody's."""
    return hashlib.sha256(f"{tenant}\0{user_id}".encode()).hexdigest() if user_id else ""


def _what_shows(policy: Policy) -> object:
    """What of a policy changes what a caller may ask or be shown; limits and prices do not."""
    return [
        policy.models,
        [msgspec.to_builtins(each) for each in policy.guardrails],
        policy.max_output_tokens,
    ]


def _with_fallbacks(models: Mapping[str, Model], model: str) -> Sequence[str]:
    named = models.get(model)
    return [] if named is None else [model, *(name for name in named.fallbacks if name in models)]


def _may_go(route: Route, caller: Caller, context: Context) -> bool:
    tags = {f"{name}={value}" for name, value in context.tags.items()}
    return (not route.tenants or caller.tenant in route.tenants) and tags.issuperset(route.tags)
