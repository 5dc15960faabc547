"""The cache as calls use it: what may be looked for, what was found, and what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from services.serving.cache.control import ANY, Control, control_of
from services.serving.cache.identity import NotSame, digest_of, has_tools, question_of
from services.serving.cache.marks import LONGEST_CHARACTERS, reach, words_of
from services.serving.cache.meaning import Meaning
from services.serving.cache.nearest import Likeness
from services.serving.cache.port import Cache, Part, Saved, Scope
from services.serving.cache.replay import Hit, is_whole
from services.serving.cache.scope import scope_of, subject_of
from services.serving.cache.terms import DEFAULT_TEMPERATURE, OFF, Terms, terms_of
from services.serving.domain.answer import Answer
from services.serving.domain.request import Kind, Request
from shared.clock import Clock
from shared.content import FULL
from shared.errors import Invalid, Unavailable
from shared.interactions import Context
from shared.live import Caller, LiveView
from shared.metrics import CACHE_KEPT, CACHE_LOOKS, CACHE_SAVED_USD
from shared.policy import NO_POLICY, Policy


class Outcome(StrEnum):
    """What came of a look: no policy wants one, none was allowed, nothing or something was found."""

    OFF = "off"
    BYPASS = "bypass"
    MISS = "miss"
    HIT = "hit"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer to a call is kept, or would be."""

    scope: Scope
    key: str
    kind: Kind
    subject: str
    terms: Terms
    temperature: float
    within: float = 0.0  # the cosine distance up to which its question is like another
    likeness: Likeness | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, and where the answer may be kept when nothing was (None: nowhere)."""

    outcome: Outcome
    hit: Hit | None = None
    place: Place | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """What the client is told of it."""
        if self.outcome is Outcome.OFF:
            return {}
        age = {} if self.hit is None else {"age": str(self.hit.age_seconds)}
        return {"x-leeway-cache": self.outcome, **age}


class AnswerCache:
    """Finds and keeps answers as the policies of a call allow.

    A tenant whose content policy is `full` has its answers in `shared`; what others are answered never
    leaves the `memory` of this worker, whose process ends with it. Without a cluster both are the same.
    """

    def __init__(
        self,
        live: LiveView,
        clock: Clock,
        meaning: Meaning,
        memory: Cache,
        shared: Cache,
        *,
        max_answer_bytes: int,
    ) -> None:
        self._live = live
        self._clock = clock
        self._meaning = meaning
        self._memory = memory
        self._shared = shared
        self.max_answer_bytes = max_answer_bytes

    async def look(
        self, caller: Caller, request: Request, context: Context, cache_control: str
    ) -> Look:
        """Look for the answer to a call that passed the gate; `cache_control` is its header, perhaps empty.

        Raises `Invalid` (504, as RFC 9111 section 5.2.1.7 has it) where the client wants nothing but a kept
        answer and there is none. Where answers cannot be reached, the call goes on without.
        """
        control = control_of(cache_control) if cache_control else ANY
        policies = self._live.policies(caller, request.model)
        terms = _terms(policies)
        look = _NO_LOOK
        if terms.seconds > 0:
            scope = scope_of(caller, context, policies, self._live.models, request.model)
            subject = subject_of(caller.tenant, context.user_id)
            look = await self._look(_place(scope, request, subject, terms), request, control)
        if look.hit is None and control.only_kept:
            raise Invalid("No answer to this is kept.", code="not_cached", status=504)
        return look

    async def keep(
        self, look: Look, parts: Sequence[Part], answer: Answer, cost_usd: Decimal | None
    ) -> None:
        """Keep what a client was answered with status ok, if it is whole and a place was found for it.

        `parts` are of `replay.parts_of` or a `Recording`. It is no fault of the call when it cannot be kept.
        """
        place = look.place
        if place is None or not parts or not is_whole(answer, place.kind):
            return
        now = self._clock.now()
        saved = Saved(tuple(parts), now, cost_usd, place.subject, place.likeness)
        if saved.size > self.max_answer_bytes:
            return
        try:
            cache = self._cache(place.scope.tenant)
            await cache.put(place.scope, place.key, saved, place.terms.seconds)
        except Unavailable:
            return  # the server's absence is counted and logged where it is met
        CACHE_KEPT.inc()

    async def forget(self, tenant: str, user_id: str = "") -> int:
        """Erase what is kept for a tenant, or for one of its subjects, from this worker and what workers share.

        Returns how many answers there were. Raises `Unavailable` when the shared ones cannot be reached.
        """
        subject = subject_of(tenant, user_id)
        forgotten = await self._memory.forget(tenant, subject)
        if self._shared is not self._memory:
            forgotten += await self._shared.forget(tenant, subject)
        return forgotten

    async def _look(self, place: Place | None, request: Request, control: Control) -> Look:
        if place is None or not control.reads:
            CACHE_LOOKS.labels("bypass").inc()
            return Look(Outcome.BYPASS, place=await self._keeping(place, request, control))
        try:
            return await self._find(place, request, control)
        except Unavailable:
            CACHE_LOOKS.labels("away").inc()
            return Look(Outcome.BYPASS)

    async def _find(self, place: Place, request: Request, control: Control) -> Look:
        saved = await self._exact(place, control)
        if saved is not None:
            return self._found(saved, place, "exact")
        likened = await self._likened(place, request)
        saved = await self._semantic(likened, control)
        if saved is not None:
            return self._found(saved, likened, "semantic")
        CACHE_LOOKS.labels("miss").inc()
        return Look(Outcome.MISS, place=likened if control.writes else None)

    async def _exact(self, place: Place, control: Control) -> Saved | None:
        if not place.terms.exact_at(place.temperature):
            return None
        saved = await self._cache(place.scope.tenant).get(place.scope, place.key)
        since = self._since(place.terms.exact_seconds, control)
        return saved if saved is not None and saved.saved_at >= since else None

    async def _semantic(self, place: Place, control: Control) -> Saved | None:
        if place.likeness is None:
            return None
        since = self._since(place.terms.semantic_seconds, control)
        cache = self._cache(place.scope.tenant)
        return await cache.near(place.scope, place.likeness, place.within, since)

    async def _likened(self, place: Place, request: Request) -> Place:
        """The place with what its question is compared by, if it may be compared."""
        if not place.terms.semantic_at(place.temperature, tools=has_tools(request)):
            return place
        question = question_of(request)
        if question is None or not 0 < len(question.text) <= LONGEST_CHARACTERS:
            return place
        within = reach(place.terms.semantic_distance, len(words_of(question.text)))
        return replace(place, within=within, likeness=await self._meaning.likeness(question))

    async def _keeping(
        self, place: Place | None, request: Request, control: Control
    ) -> Place | None:
        """Where the answer is kept though none was looked for."""
        if place is None or not control.writes:
            return None
        return await self._likened(place, request)

    def _found(self, saved: Saved, place: Place, how: str) -> Look:
        CACHE_LOOKS.labels(how).inc()
        if saved.cost_usd is not None:
            CACHE_SAVED_USD.inc(float(saved.cost_usd))
        age = (self._clock.now() - saved.saved_at).total_seconds()
        return Look(Outcome.HIT, Hit(saved, place.kind, how, max(0, int(age))))

    def _since(self, seconds: float, control: Control) -> datetime:
        most = seconds if control.max_age is None else min(seconds, control.max_age)
        return self._clock.now() - timedelta(seconds=most)

    def _cache(self, tenant: str) -> Cache:
        whole = self._live.content_policy(tenant) == FULL
        return self._shared if whole else self._memory


def _terms(policies: Sequence[Policy]) -> Terms:
    for policy in policies:
        if policy.cache is not _SILENT:
            return terms_of([each.cache for each in policies])
    return OFF  # as most calls find it: without a step more than that


def _place(scope: Scope, request: Request, subject: str, terms: Terms) -> Place | None:
    """Where a request's answer is kept; None where no other request can ask the same, or none may be answered."""
    temperature = _temperature(request)
    tools = has_tools(request)
    if not (terms.exact_at(temperature) or terms.semantic_at(temperature, tools=tools)):
        return None
    try:
        return Place(scope, digest_of(request), request.kind, subject, terms, temperature)
    except NotSame:
        return None


def _temperature(request: Request) -> float:
    if request.kind is Kind.EMBEDDING:
        return 0.0
    said = request.body.tree.get("temperature")
    return float(said) if isinstance(said, int | float) else DEFAULT_TEMPERATURE


_NO_LOOK = Look(Outcome.OFF)
_SILENT = NO_POLICY.cache  # what a policy has that says nothing of a cache
