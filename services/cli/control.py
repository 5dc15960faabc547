"""The control plane as the command line sees it: /v1/registry with the operators' key."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import aiohttp
import orjson
import typer
from rich.console import Console
from rich.table import Table

from services.endpoints import endpoints_of
from services.settings import Installation
from shared.errors import Denied, Invalid, Unavailable
from shared.secrets_folder import OPERATORS, SecretsFolder

TIMEOUT_SECONDS = 30
PAGE = 1_000

UrlOption = Annotated[str, typer.Option(help="The API; by default this installation's.")]
KeyOption = Annotated[
    str,
    typer.Option(
        envvar="LEEWAY_ADMIN_KEY", help="A key with the scope admin; by default the operators'."
    ),
]
TenantOption = Annotated[str, typer.Option(help="The tenant; by default that of the key.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@dataclass(frozen=True, slots=True)
class Control:
    """Where the registry answers, and the key to ask it with."""

    url: str
    key: str = field(repr=False)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The registry's answer. Raises `Invalid` with what it refused, and `Unavailable`."""
        return asyncio.run(self._ask(method, path, body))

    def every(self, path: str, tenant: str = "") -> Iterator[dict[str, Any]]:
        """Every entity of a list, page after page."""
        after: str | None = ""
        while after is not None:
            query = f"?limit={PAGE}&after={after}" + (f"&tenant={tenant}" if tenant else "")
            page = self.ask("GET", f"{path}{query}")
            yield from page["data"]
            after = page["next"]

    async def _ask(self, method: str, path: str, body: Mapping[str, object] | None) -> Any:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.url.rstrip('/')}/v1/registry/{path}"
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, url, json=body) as answer,
            ):
                return _content(answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as fault:
            told = str(fault) or type(fault).__name__
            raise Unavailable(
                f"{self.url} does not answer ({told}): is `leeway up` running?"
            ) from fault


def control(url: str, key: str) -> Control:
    """The registry as the options say, or this installation's own. Raises `Denied` without a key."""
    installation = Installation()
    kept = SecretsFolder(installation.data).credentials().keys
    secret = key or kept.get(f"{OPERATORS}/operator", "")
    if not secret:
        raise Denied("No operators' key is kept here: pass --key, or set LEEWAY_ADMIN_KEY.")
    return Control(url or endpoints_of(installation).url, secret)


def show(rows: Iterator[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print entities as a table of some of their fields, or whole as JSON lines."""
    if as_json:
        for row in rows:
            print(orjson.dumps(row).decode())
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console().print(table)


def _content(status: int, body: bytes) -> Any:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise Unavailable(f"The API answered {status} with what is no JSON.") from fault
    if status < 400:
        return content
    error = content["error"]
    raise Invalid(error["message"], faults=tuple(error.get("faults", ())), status=status)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
