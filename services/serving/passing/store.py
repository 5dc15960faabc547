"""Files and batches at the provider that holds them, through the gate of every call, and metered when they are read."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.failure import malformed
from services.serving.domain.gate import End, Entry, Gate, settle
from services.serving.domain.passage import Form
from services.serving.domain.request import Kind, Request
from services.serving.guards.rails import Switchyard
from services.serving.passing.finding import Passages
from services.serving.passing.ids import Held, Ids, What, fingerprint
from services.serving.passing.lines import Line, Output
from services.serving.providers.openai.passing import Asked, OpenAIPassing
from services.serving.providers.upstream import Incoming
from services.serving.routing.planner import Planner
from shared.clock import Clock
from shared.errors import Invalid, NotFound
from shared.interactions import interaction_fact
from shared.live import Caller, LiveView, Route
from shared.log.record import Outbox

MAX_LINE_BYTES = 8 * 1024 * 1024

_NOTHING = End(None)
_IDS: Mapping[str, What] = {
    "input_file_id": "file",
    "output_file_id": "file",
    "error_file_id": "file",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing is: the provider as it is asked, and which of its keys has it."""

    passing: OpenAIPassing
    key: int


class Store:
    """What tenants keep at providers. Every method passes the gate, and raises what refuses it or `UpstreamFailed`."""

    def __init__(
        self,
        gate: Gate,
        planner: Planner,
        passages: Passages,
        guards: Switchyard,
        ids: Ids,
        meter: "BatchMeter",
    ) -> None:
        self._gate = gate
        self._planner = planner
        self._passages = passages
        self._guards = guards
        self._ids = ids
        self._meter = meter

    async def upload(self, entry: Entry, lines: Sequence[Line], form: Form) -> JsonObject:
        """Put a batch's lines where they will be answered; the file's object."""
        self._refuse_unguarded(entry.caller, entry.request.model)
        admitted = [await self._admitted(replace(entry, request=line.request)) for line in lines]
        route = self._planner.plan(admitted[0])[0]
        passing = self._passages.answering_batches(route)
        written = b"".join(
            line.asking(one.request, route.model) for line, one in zip(lines, admitted, strict=True)
        )
        asked = Asked("POST", "/files", media_type=form.media_type)
        told = await passing.fetch(asked, form.spliced({form.files["file"]: written}))
        key = fingerprint(passing.key_names[0])
        named = f"{entry.request.kind}/{entry.request.model}"
        return self._renamed(
            told, entry.caller.tenant, "file", Held(route.provider, key, "", named)
        )

    async def create(self, entry: Entry, held: Held, body: Body) -> JsonObject:
        """Begin a batch over a file; the batch's object."""
        self._refuse_unguarded(entry.caller, entry.request.model)
        admitted = await self._admitted(entry)
        self._refuse_closed(admitted, held)
        place = self._place(held)
        asked = Asked("POST", "/batches", place.key, "application/json")
        sent = body.rewritten({"input_file_id": held.name})
        told = await place.passing.fetch(asked, sent)
        return self._renamed(told, entry.caller.tenant, "batch", held)

    async def ask(
        self, entry: Entry, what: What, held: Held, method: str, verb: str = ""
    ) -> JsonObject:
        """The object of a file or a batch, after what is done to it."""
        await self._admitted(entry)
        place = self._place(held)
        path = f"/{'files' if what == 'file' else 'batches'}/{held.name}{verb}"
        told = await place.passing.fetch(Asked(method, path, place.key))
        return self._renamed(told, entry.caller.tenant, what, held)

    @asynccontextmanager
    async def content(self, entry: Entry, held: Held) -> AsyncIterator[AsyncIterator[bytes]]:
        """A file's bytes as they come; the answers in it are recorded before they are sent."""
        await self._admitted(entry)
        place = self._place(held)
        asked = Asked("GET", f"/files/{held.name}/content", place.key)
        async with place.passing.content(asked) as incoming:
            yield self._metered(entry.caller, held, incoming)

    async def _metered(
        self, caller: Caller, held: Held, incoming: Incoming
    ) -> AsyncIterator[bytes]:
        kind, _, model = held.kind.partition("/")
        output = Output(held.provider, held.name, kind, model)
        pending = b""
        async for chunk in incoming.chunks:
            *whole, pending = (pending + chunk).split(b"\n")
            if len(pending) > MAX_LINE_BYTES:
                raise malformed(held.provider, "holds a line that is too long")
            await self._meter.note(caller, output, whole)
            yield chunk
        await self._meter.note(caller, output, [pending])

    async def _admitted(self, entry: Entry) -> Entry:
        """The entry as the gate lets it in. Nothing is held for it: what it comes to is known only a day later."""
        admitted = await self._gate.admit(entry)
        await settle(admitted.holds, _NOTHING)
        return admitted

    def _refuse_unguarded(self, caller: Caller, model: str) -> None:
        if self._guards.path(caller, model).answered:
            raise Invalid(
                "The guardrails of this key look at answers, and those of a batch pass none.",
                code="unsupported_operation",
            )

    def _refuse_closed(self, entry: Entry, held: Held) -> None:
        routes: Sequence[Route] = self._planner.plan(entry)
        if all(route.provider != held.provider for route in routes):
            raise Invalid(
                "The provider that holds the file is not one that this call may go to now.",
                param="input_file_id",
                code="unsupported_operation",
            )

    def _place(self, held: Held) -> Place:
        passing = self._passages.at(held.provider)
        keys = [] if passing is None else [fingerprint(name) for name in passing.key_names]
        if passing is None or held.key not in keys:
            raise NotFound(
                "The provider that held it is not there any more.", code="file_not_found"
            )
        return Place(passing, keys.index(held.key))

    def _renamed(self, told: JsonObject, tenant: str, what: What, held: Held) -> JsonObject:
        """What an upstream says of a thing, with every id in it sealed to the tenant."""
        changed: JsonObject = {}
        for name, kind in {"id": what, **_IDS}.items():
            given = told.get(name)
            if isinstance(given, str):
                changed[name] = self._ids.sealed(tenant, kind, replace(held, name=given))
        return {**told, **changed}


class BatchMeter:
    """Records the answers of batches as interactions, however often they are read."""

    def __init__(self, outbox: Outbox, live: LiveView, clock: Clock) -> None:
        self._outbox = outbox
        self._live = live
        self._clock = clock

    async def note(self, caller: Caller, output: Output, lines: Sequence[bytes]) -> None:
        """Store an interaction for each answer among the lines of a file. Raises `Unavailable`."""
        now, policy = self._clock.now(), self._live.content_policy(caller.tenant)
        made = [output.interaction(line, now) for line in lines if b'"response"' in line]
        facts = [interaction_fact(one, caller, policy, now) for one in made if one is not None]
        if facts:
            await self._outbox.append(facts)


def bare_request(held: Held, body: Body) -> Request:
    """What is asked of a thing that is held, as the gate reads it."""
    kind, _, model = held.kind.partition("/")
    return Request(Kind(kind), model, body, {})
