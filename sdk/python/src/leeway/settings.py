"""What the SDK is told: arguments first, then the environment, then defaults. Nothing else reads it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_BASE_URL = "http://127.0.0.1:8080"
NO_SPOOL = "off"

_TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True)
class Limits:
    """The SDK's bounds. The defaults suit a server process; tests and tiny devices make them smaller.

    A batch leaves at `batch_items`, `batch_bytes` or `batch_seconds`, whichever comes first. Items
    wait in memory up to `memory_items` and `memory_bytes`, on disk up to `spool_bytes` in segments
    of about `segment_bytes`. `exit_seconds` is how long the end of the process may take.
    """

    batch_items: int = 1_000
    batch_bytes: int = 1_000_000
    batch_seconds: float = 0.5
    item_bytes: int = 4_000_000
    memory_items: int = 10_000
    memory_bytes: int = 16_000_000
    spool_bytes: int = 256_000_000
    segment_bytes: int = 1_000_000
    request_seconds: float = 10.0
    first_retry_seconds: float = 0.5
    longest_retry_seconds: float = 30.0
    rescan_seconds: float = 5.0
    exit_seconds: float = 3.0


@dataclass(frozen=True)
class Settings:
    """Where the SDK sends to, as whom, and where it keeps what it could not send."""

    api_key: str = ""
    base_url: str = DEFAULT_BASE_URL
    environment: str = ""
    service_name: str = ""
    spool_dir: Path | None = None
    disabled: bool = False
    limits: Limits = Limits()


@dataclass(frozen=True)
class Options:
    """What the program itself says: the arguments of `leeway.configure`. None leaves the choice to
    LEEWAY_API_KEY, LEEWAY_BASE_URL, LEEWAY_ENVIRONMENT, LEEWAY_SERVICE_NAME, LEEWAY_SPOOL_DIR ("off":
    keep to memory) and LEEWAY_DISABLED.
    """

    api_key: str | None = None
    base_url: str | None = None
    environment: str | None = None
    service_name: str | None = None
    spool_dir: str | os.PathLike[str] | None = None
    disabled: bool | None = None
    limits: Limits | None = None


def resolve(options: Options, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that the options and the environment (LEEWAY_...) make together."""
    env = os.environ if environ is None else environ
    api_key = _told(options.api_key, env, "LEEWAY_API_KEY")
    base_url = _told(options.base_url, env, "LEEWAY_BASE_URL").rstrip("/") or DEFAULT_BASE_URL
    disabled = options.disabled
    if disabled is None:
        disabled = env.get("LEEWAY_DISABLED", "").strip().lower() in _TRUE
    spool = options.spool_dir if options.spool_dir is not None else env.get("LEEWAY_SPOOL_DIR")
    return Settings(
        api_key=api_key,
        base_url=base_url.removesuffix("/v1"),
        environment=_told(options.environment, env, "LEEWAY_ENVIRONMENT"),
        service_name=_told(options.service_name, env, "LEEWAY_SERVICE_NAME"),
        spool_dir=_spool_dir(spool, env, f"{base_url}\0{api_key}"),
        disabled=disabled,
        limits=options.limits or Limits(),
    )


def _told(option: str | None, env: Mapping[str, str], name: str) -> str:
    return (env.get(name, "") if option is None else str(option)).strip()


def _spool_dir(
    told: str | os.PathLike[str] | None, env: Mapping[str, str], destination: str
) -> Path | None:
    """The folder that is told; otherwise one of the user's own, which no other key or server shares."""
    if told is not None and os.fspath(told) == NO_SPOOL:
        return None
    try:
        if told:
            return Path(told).expanduser()
        state = Path(env.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    except RuntimeError:  # this user has no home: memory only
        return None
    digest = hashlib.sha256(destination.encode("utf-8", "surrogatepass")).hexdigest()
    return state / "leeway" / "spool" / digest[:16]
