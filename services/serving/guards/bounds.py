"""Bounds on a request: which models, how long an answer, and what it may cost."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from fnmatch import fnmatchcase
from typing import Protocol

from services.serving.domain.gate import Entry
from services.serving.domain.request import Kind, Request
from services.serving.domain.verdict import Verdict
from shared.errors import Denied, Invalid
from shared.live import LiveView
from shared.policy import Policy


class CostCeiling(Protocol):
    """Says what a call can come to at most."""

    def at_most(self, model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
        """In USD, by the dearest of the public model's routes; None when a price is not known."""
        ...


class ModelAllowed:
    """A model is asked for only when every policy of the caller that lists models lists it; satisfies `Check`."""

    def __init__(self, live: LiveView) -> None:
        self._live = live

    async def admit(self, entry: Entry) -> Entry:
        model = entry.request.model
        for policy in self._live.policies(entry.caller, model):
            if policy.models and not any(fnmatchcase(model, each) for each in policy.models):
                raise Denied(
                    f"This key may not ask the model {model[:256]!r}.", code="model_not_allowed"
                )
        return entry


class OutputBounded:
    """No call asks for a longer answer than its policies let it, by the smallest of them; satisfies `Check`.

    One that names no length gets the bound; one that names a longer gets the bound, and is told so by the
    header `x-leeway-max-output-tokens` and a verdict.
    """

    def __init__(self, live: LiveView) -> None:
        self._live = live

    async def admit(self, entry: Entry) -> Entry:
        policies = self._live.policies(entry.caller, entry.request.model)
        bound = smallest_output(policies)
        if bound is None or entry.request.kind not in _LENGTHS:
            return entry
        asked = output_tokens(entry.request)
        if asked is not None and asked <= bound:
            return entry
        return lowered(entry, bound, "max_output_tokens", asked=asked)


class CostBounded:
    """No call may come to more than its policies let it, by the smallest of them; satisfies `Check`.

    What it can come to: every byte of the request a token, and as many tokens of answer as it asks for. One
    that names no length gets the longest answer that the money lasts for. Where a price is not known the
    bound cannot be kept, and the call is refused.
    """

    def __init__(self, live: LiveView, ceiling: CostCeiling) -> None:
        self._live = live
        self._ceiling = ceiling

    async def admit(self, entry: Entry) -> Entry:
        policies = self._live.policies(entry.caller, entry.request.model)
        most = min((p.max_cost_usd for p in policies if p.max_cost_usd is not None), default=None)
        if most is None:
            return entry
        model, read = entry.request.model, input_bound(entry.request)
        base = self._at_most(model, read, 0)
        asked = 0 if entry.request.kind not in _LENGTHS else output_tokens(entry.request)
        if base > most or (asked is not None and self._at_most(model, read, asked) > most):
            raise Invalid(
                f"This call can come to more than the {most} USD that its policies let a call cost.",
                code="max_cost_exceeded",
            )
        return entry if asked is not None else self._with_length(entry, most, base, read)

    def _with_length(self, entry: Entry, most: Decimal, base: Decimal, read: int) -> Entry:
        each = (self._at_most(entry.request.model, read, _SAMPLE) - base) / _SAMPLE
        if each <= 0:
            return entry
        lasts = int(((most - base) / each).to_integral_value(ROUND_FLOOR))
        if lasts < 1:
            raise Invalid("The money lasts for no answer at all.", code="max_cost_exceeded")
        return lowered(entry, lasts, "max_cost", asked=None)

    def _at_most(self, model: str, read: int, written: int) -> Decimal:
        cost = self._ceiling.at_most(model, read, written)
        if cost is None:
            raise Invalid(
                f"What the model {model[:256]!r} costs is not known, and the policies bound the cost.",
                code="max_cost_unknown",
            )
        return cost


def smallest_output(policies: Sequence[Policy]) -> int | None:
    """The longest answer that all policies let a call ask for, in tokens; None for any."""
    bounds = [p.max_output_tokens for p in policies if p.max_output_tokens is not None]
    return min(bounds, default=None)


def output_tokens(request: Request) -> int | None:
    """The longest answer that a request asks for, all of its choices together; None when it names none."""
    named = [request.body.tree.get(name) for name in _LENGTHS.get(request.kind, ())]
    lengths = [length for length in named if type(length) is int]
    choices = request.body.tree.get("n")
    return max(lengths) * (choices if type(choices) is int else 1) if lengths else None


def lowered(entry: Entry, bound: int, guard: str, *, asked: int | None) -> Entry:
    """The entry with a bound on the length of its answer."""
    request = entry.request
    names = [name for name in _LENGTHS[request.kind] if name in request.body.tree]
    choices = request.body.tree.get("n")
    each = max(1, bound // (choices if type(choices) is int else 1))
    changes = dict.fromkeys(names or _LENGTHS[request.kind][:1], each)
    entry = entry.changed(request=replace(request, body=request.body.changed(changes)))
    entry = entry.telling({"x-leeway-max-output-tokens": str(each)})
    if asked is None:
        return entry
    told = f"asked for {asked} tokens, let {bound}"
    return entry.judging(Verdict(guard, "input", "redact", "too_long", 1.0, told))


def input_bound(request: Request) -> int:
    """The tokens that a request can be read as, at most: no token is shorter than a byte, and no picture is more than `_PICTURE_TOKENS`."""
    written = request.body.rewritten({})
    return len(written) + _PICTURE_TOKENS * sum(map(written.count, _PICTURES))


_SAMPLE = 1_000
_PICTURE_TOKENS = 10_000
_PICTURES = (b'"image_url"', b'"image"', b'"input_image"', b'"document"', b'"file_id"')
# By what each kind bounds its answer; the first is what a request that names none is given.
_LENGTHS = {
    Kind.CHAT: ("max_completion_tokens", "max_tokens"),
    Kind.COMPLETION: ("max_tokens",),
    Kind.RESPONSE: ("max_output_tokens",),
    Kind.MESSAGE: ("max_tokens",),
}
