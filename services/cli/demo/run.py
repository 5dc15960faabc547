"""The run: scene after scene, looking all the while at what SQL and the receiver show."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Protocol

from services.cli.demo.books import Books
from services.cli.demo.caller import Caller
from services.cli.demo.report import Alert, Detection, Planted, Recorded, Report
from services.cli.demo.traffic import Plant, Scene
from shared.clock import Clock

LOOK_SECONDS = 0.5
LEARN_SECONDS = 60.0

NORMAL = "normal traffic"
LEARNING = "learning what is normal"
SETTLING = "waiting for the last alerts"


class Told(Protocol):
    """Who is told of alerts."""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Those that arrived so far."""
        ...


Show = Callable[[str, float, Report], None]
"""Shows the name of the stage, the share of all calls that were sent, and the report so far."""


class Run:
    """Plays scenes. Without a receiver, alerts are read from SQL. `began` is when the clock's count starts."""

    def __init__(
        self,
        caller: Caller,
        books: Books,
        receiver: Told | None,
        *,
        clock: Clock,
        show: Show,
        began: float,
    ) -> None:
        self._caller = caller
        self._books = books
        self._receiver = receiver
        self._clock = clock
        self._show = show
        self._began = began
        self._planted: list[Planted] = []
        self._recorded = Recorded()
        self._detections: tuple[Detection, ...] = ()
        self._alerts: tuple[Alert, ...] = ()

    async def play(
        self, scenes: Sequence[Scene], per_second: float, settle_seconds: float
    ) -> Report:
        """Play every scene, and wait until all that should follow has, but no longer than told."""
        self._total = sum(len(scene.calls) for scene in scenes)
        for scene in scenes:
            if scene.plant is None:
                await self._watched(NORMAL, self._caller.make(scene.calls, per_second))
                await self._until(LEARNING, self._is_learnt, LEARN_SECONDS)
                continue
            self._planted.append(Planted(scene.plant, self._clock.now()))
            await self._watched(scene.plant, self._caller.make(scene.calls, per_second))
        await self._until(SETTLING, self._is_settled, settle_seconds)
        return self._report()

    async def _watched(self, stage: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await self._look(stage)
                await asyncio.wait({task}, timeout=LOOK_SECONDS)
        finally:
            task.cancel()
            await asyncio.wait({task})
        await task

    async def _until(self, stage: str, condition: Callable[[], bool], seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds
        await self._look(stage)
        while not condition() and self._clock.monotonic() < deadline:
            await self._clock.sleep(LOOK_SECONDS)
            await self._look(stage)

    async def _look(self, stage: str) -> None:
        self._recorded = await self._books.recorded()
        self._detections = await self._books.detections()
        self._alerts = (
            await self._books.alerts() if self._receiver is None else self._receiver.alerts
        )
        self._show(stage, self._caller.sent.calls / self._total, self._report())

    def _is_learnt(self) -> bool:
        """The detectors have seen every call: what they say of those was said before the first plant."""
        return self._recorded.embedded >= self._caller.sent.accepted

    def _is_settled(self) -> bool:
        """All is recorded and rated, each plant noticed, and whoever should be told was."""
        report = self._report()
        sent, recorded = report.sent, report.recorded
        stored = (recorded.calls, recorded.priced, recorded.embedded) == (sent.accepted,) * 3
        return stored and recorded.thumbs == sent.thumbs and self._is_noticed(report)

    def _is_noticed(self, report: Report) -> bool:
        """Of a given installation nobody knows whether it has a rule about spending."""
        if self._receiver is None:
            drifts = [one for one in report.planted if one.plant is not Plant.COST]
            return bool(report.alarms) and all(report.noticed(one) for one in drifts)
        features = {seen.feature for seen in report.detections}
        return len(report.alerts) > len(features) and all(map(report.noticed, report.planted))

    def _report(self) -> Report:
        return Report(
            sent=replace(self._caller.sent),
            recorded=self._recorded,
            planted=tuple(self._planted),
            detections=self._detections,
            alerts=self._alerts,
            seconds=self._clock.monotonic() - self._began,
        )
