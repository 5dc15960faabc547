"""The HTTP door of feedback."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.feedback.settings import Settings
from services.feedback.stream import Intake
from shared.batches import batch_response
from shared.clock import Clock
from shared.http import caller_of, read_body, require_json
from shared.live import LiveView

SCOPE = "feedback"


class Api:
    """The route of feedback over its intake."""

    def __init__(self, intake: Intake, live: LiveView, clock: Clock, settings: Settings) -> None:
        self._intake = intake
        self._live = live
        self._clock = clock
        self._settings = settings

    def routes(self) -> list[Route]:
        """Every route, to be placed on the port of the process."""
        return [Route("/v1/feedback", self.feedback, methods=["POST"])]

    async def feedback(self, request: Request) -> Response:
        """POST /v1/feedback: one item, or a batch."""
        caller = caller_of(request, self._live, self._clock, SCOPE)
        require_json(request)
        body = await read_body(request, self._settings.max_body_bytes)
        return batch_response(await self._intake.feedback(caller, body))
