"""What the health service answers: whether calls can be answered now."""

from collections.abc import Sequence

import grpc
from grpc_health.v1.health import aio  # type: ignore[attr-defined] # not in the stubs
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server


class Health:
    """One answer for a server as a whole (the empty name) and for each of its services.

    It starts as `serving` says, and follows `announce` from then on.
    """

    def __init__(self, *, serving: bool = True) -> None:
        self._serving = serving
        self._servicer = aio.HealthServicer()
        self._names: Sequence[str] = ("",)

    async def open(self, server: grpc.aio.Server, names: Sequence[str]) -> None:
        """Answer on the server, for these services."""
        self._names = ("", *names)
        add_HealthServicer_to_server(self._servicer, server)
        await self.announce(serving=self._serving)

    async def announce(self, *, serving: bool) -> None:
        """Say it to all who ask, and to all who watch."""
        self._serving = serving
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self._servicer.set(name, status)

    async def close(self) -> None:
        """Serve no more, whatever is announced from now on."""
        await self._servicer.enter_graceful_shutdown()
