"""The HTTP doors: SDK batches of interactions and spans, and OTLP/HTTP."""

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.inflate import inflate
from services.ingest.otlp import JSON, PROTOBUF
from services.ingest.settings import Settings
from services.ingest.stream import Intake
from shared.batches import batch_response
from shared.bodies import room_of
from shared.clock import Clock
from shared.errors import Invalid, LeewayError
from shared.http import caller_of, error_response, read_body, require_json
from shared.live import LiveView
from shared.rpc.errors import status_of

SCOPE = "ingest"


class Api:
    """The routes of ingest over one intake."""

    def __init__(self, intake: Intake, live: LiveView, clock: Clock, settings: Settings) -> None:
        self._intake = intake
        self._live = live
        self._clock = clock
        self._settings = settings

    def routes(self) -> list[Route]:
        """Every route, to be placed on the port of the process."""
        return [
            Route("/v1/interactions", self.interactions, methods=["POST"]),
            Route("/v1/spans", self.spans, methods=["POST"]),
            Route("/v1/traces", self.traces, methods=["POST"]),
        ]

    async def interactions(self, request: Request) -> Response:
        """POST /v1/interactions."""
        caller = caller_of(request, self._live, self._clock, SCOPE)
        require_json(request)
        return batch_response(await self._intake.interactions(caller, await self._body(request)))

    async def spans(self, request: Request) -> Response:
        """POST /v1/spans."""
        caller = caller_of(request, self._live, self._clock, SCOPE)
        require_json(request)
        return batch_response(await self._intake.spans(caller, await self._body(request)))

    async def traces(self, request: Request) -> Response:
        """POST /v1/traces: OTLP/HTTP, answered in the encoding of the request, errors too."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            caller = caller_of(request, self._live, self._clock, SCOPE)
            body = await self._body(request)
            answer = await self._intake.traces(caller, body, media_type)
        except LeewayError as error:
            return _refusal(error, media_type)
        return _encoded(answer, media_type)

    async def _body(self, request: Request) -> bytes:
        match request.headers.get("content-encoding", "identity").strip().lower():
            case "identity" | "":
                return await read_body(request, self._settings.max_body_bytes)
            case "gzip":
                hold = room_of(request.scope).hold
                return await inflate(request.stream(), self._settings.max_inflated_bytes, hold)
            case _:
                raise Invalid(
                    "The content encoding must be gzip or identity.",
                    code="unsupported_content_encoding",
                    status=415,
                )


def _encoded(message: Message, media_type: str) -> Response:
    if media_type == JSON:
        return Response(json_format.MessageToJson(message, indent=None), media_type=JSON)
    return Response(message.SerializeToString(), media_type=PROTOBUF)


def _refusal(error: LeewayError, media_type: str) -> Response:
    response = _encoded(Status(code=status_of(error).value[0], message=error.message), media_type)
    told = error_response(error)
    response.status_code = told.status_code
    for name in ("retry-after", "www-authenticate"):
        if name in told.headers:
            response.headers[name] = told.headers[name]
    return response
