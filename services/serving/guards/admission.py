"""The guards of what is asked: a check of the gate, which blocks, redacts or flags before anything leaves."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.serving.domain.gate import Entry
from services.serving.domain.request import Request
from services.serving.domain.verdict import Blocked, Verdict, blocking
from services.serving.guards.inspection import Findings, inspected, judged
from services.serving.guards.rails import Path, Rails, Switchyard
from services.serving.guards.rewriting import with_texts
from services.serving.guards.utterances import Utterance, asked

# A longer text is looked at on a worker thread, so that it stands in nobody's way.
MAX_CHARS_ON_THE_LOOP = 64_000


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request as it may leave, and what guards found in it."""

    request: Request
    verdicts: Sequence[Verdict]


class InputGuards:
    """Every guard of a call's policies on what it asks; satisfies `Check`."""

    def __init__(self, switchyard: Switchyard) -> None:
        self._switchyard = switchyard

    async def admit(self, entry: Entry) -> Entry:
        """Raises `Blocked` for what a guard blocks, and `Unavailable` for a guard that cannot be built."""
        rails = (await self._path(entry)).asked
        if not rails:
            return entry
        admitted = await admission(entry.request, rails)
        if admitted.request is not entry.request:
            entry = entry.changed(request=admitted.request)
        for verdict in admitted.verdicts:
            entry = entry.judging(verdict)
        return entry

    async def _path(self, entry: Entry) -> Path:
        asked = (entry.caller, entry.request.model)
        if self._switchyard.built(*asked):
            return self._switchyard.path(*asked)
        return await asyncio.to_thread(self._switchyard.path, *asked)


async def admission(request: Request, rails: Rails) -> Admitted:
    """What guards make of a request. Raises `Blocked`."""
    utterances = list(asked(request.body.tree))
    if sum(len(one.text) for one in utterances) > MAX_CHARS_ON_THE_LOOP:
        return await asyncio.to_thread(_admitted, request, utterances, rails)
    return _admitted(request, utterances, rails)


def _admitted(request: Request, utterances: Sequence[Utterance], rails: Rails) -> Admitted:
    findings = Findings("input")
    judged(utterances, rails, findings)
    changed = inspected(utterances, rails, findings)
    verdicts = findings.verdicts()
    if blocking(verdicts):
        raise Blocked(verdicts)
    return Admitted(_rewritten(request, changed) if changed else request, verdicts)


def _rewritten(request: Request, changed: Mapping[Utterance, str]) -> Request:
    tree = with_texts(request.body.tree, changed)
    names = {str(one.path[0]) for one in changed}
    body = request.body.changed({name: tree[name] for name in names})
    metadata = tree.get("metadata")
    if "metadata" in names and isinstance(metadata, dict):
        public = {name: text for name, text in metadata.items() if isinstance(text, str)}
        return replace(request, body=body, metadata=_with_private(request.metadata, public))
    return replace(request, body=body)


def _with_private(given: Mapping[str, str], public: Mapping[str, str]) -> Mapping[str, str]:
    """The metadata of the call: its private pairs stay here, and are not what is redacted."""
    return {**{name: given[name] for name in given if name not in public}, **public}
