"""One request to the server, and what its answer means for the batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Union

import httpx

from leeway.items import Batch
from leeway.settings import Settings
from leeway.version import __version__

_JUDGED = frozenset({400, 409})  # nothing in the batch was stored; each item is told why
_SPLIT = frozenset({400, 413, 422})
_DENIED = frozenset({401, 403})


@dataclass(frozen=True)
class Taken:
    """The server gave its verdict on each item: the refused ones are told by their faults."""

    refused: Sequence[str] = ()


@dataclass(frozen=True)
class Unreadable:
    """The server refuses the body as a whole: too large, or it cannot read it. Halves may pass."""

    reason: str


@dataclass(frozen=True)
class Later:
    """Nothing was stored: the server is not to be reached, not well, or does not know us (`denied`)."""

    reason: str
    denied: bool = False
    after_seconds: float = 0.0


Outcome = Union[Taken, Unreadable, Later]


class Transport:
    """The connection to the server. It is used by one thread at a time and raises nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: httpx.Client | None = None

    def send(self, batch: Batch) -> Outcome:
        """Post the batch and read the answer."""
        word = batch.lane.word
        body = b'{"%s":[%s]}' % (word.encode(), b",".join(batch.payloads))
        try:
            response = self._connected().post(f"/v1/{word}", content=body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as fault:
            return Later(f"{type(fault).__name__}: {fault}")
        return outcome(response)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> httpx.Client:
        # Made at the first use: a client loads certificates, which takes tens of milliseconds.
        if self._client is None:
            self._client = httpx.Client(
                base_url=self._settings.base_url,
                timeout=self._settings.limits.request_seconds,
                headers={
                    "authorization": f"Bearer {self._settings.api_key}",
                    "content-type": "application/json",
                    "user-agent": f"leeway-python/{__version__}",
                },
            )
        return self._client


def outcome(response: httpx.Response) -> Outcome:
    """What an answer means for the batch that was posted."""
    status = response.status_code
    results = _results(response)
    if results and (response.is_success or status in _JUDGED):
        return Taken([_faults(result) for result in results if _is_refused(result)])
    # A success without verdicts is somebody else's, such as a proxy's page: nothing was stored.
    said = f"{status} {response.text[:300]}"
    if status in _SPLIT:
        return Unreadable(said)
    return Later(said, denied=status in _DENIED, after_seconds=_retry_after(response))


def _results(response: httpx.Response) -> Sequence[Mapping[str, object]]:
    try:
        answer = response.json()
    except ValueError:
        return ()
    results = answer.get("results") if isinstance(answer, dict) else None
    return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else ()


def _is_refused(result: Mapping[str, object]) -> bool:
    return result.get("status") in {"rejected", "conflict"}


def _faults(result: Mapping[str, object]) -> str:
    return json.dumps(result.get("faults", "no reason given"))[:500]


def _retry_after(response: httpx.Response) -> float:
    """Seconds, when the server names them; its other form, a date, is not worth a clock's trust."""
    try:
        return max(0.0, min(float(response.headers.get("retry-after", "0")), 300.0))
    except ValueError:
        return 0.0
