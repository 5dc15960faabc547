"""`leeway sql`: ask the warehouse, as the operators or as a tenant, and read the answer."""

import asyncio
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import aiohttp
import orjson
import typer
from rich.console import Console
from rich.table import Table

from services.endpoints import endpoints_of
from services.settings import Installation
from shared.errors import Denied, Invalid, Unavailable
from shared.secrets_folder import SecretsFolder

TIMEOUT_SECONDS = 60
READONLY_CODE = "164"  # ClickHouse's own number for what may only be read


class Output(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


_FORMATS = {
    Output.TABLE: "JSONCompactStrings",
    Output.JSON: "JSONEachRow",
    Output.CSV: "CSVWithNames",
}


@dataclass(frozen=True, slots=True)
class Login:
    """Where to ask, and as whom."""

    url: str
    user: str
    password: str


def sql(
    query: Annotated[str, typer.Argument(help="The query, or - to read it from standard input.")],
    output: Annotated[
        Output, typer.Option("--format", help="How to write the answer.")
    ] = Output.TABLE,
    url: Annotated[str, typer.Option(help="The SQL port; by default this installation's.")] = "",
    user: Annotated[str, typer.Option(help="An SQL user: the operators', or a tenant.")] = (
        SecretsFolder.operator_user
    ),
    password: Annotated[
        str, typer.Option(help="Its password; by default the one this installation keeps.")
    ] = "",
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Let the operators' user change what is stored.")
    ] = False,
) -> None:
    """Ask the warehouse in SQL. The views and ten useful queries are in docs/analyst.md."""
    text = sys.stdin.read() if query == "-" else query
    login = _login(Installation(), url, user, password)
    # A tenant's user only reads whatever is asked; the operators' own may do everything.
    reads = login.user == SecretsFolder.operator_user and not write
    body, format_name = asyncio.run(_ask(login, text, _FORMATS[output], reads=reads))
    if body and output is Output.TABLE and format_name == _FORMATS[output]:
        Console().print(_table(body))
    else:
        sys.stdout.write(body.decode())


def _login(installation: Installation, url: str, user: str, password: str) -> Login:
    address = url or endpoints_of(installation).sql_url
    kept = SecretsFolder(installation.data).credentials().sql_passwords
    secret = password or kept.get(user, "")
    if not secret:
        raise Denied(f"No password for the SQL user {user} is kept here: pass --password.")
    return Login(address, user, secret)


async def _ask(login: Login, text: str, default_format: str, *, reads: bool) -> tuple[bytes, str]:
    """The answer's bytes, and the format that they are in: the query's own FORMAT wins."""
    params = {"default_format": default_format} | ({"readonly": "1"} if reads else {})
    headers = {"X-ClickHouse-User": login.user, "X-ClickHouse-Key": login.password}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(login.url, params=params, data=text.encode()) as answer,
        ):
            body = await answer.read()
            if reads and answer.headers.get("X-ClickHouse-Exception-Code") == READONLY_CODE:
                raise Denied("This changes what is stored, or a setting: say so with --write.")
            if answer.status != 200:
                raise Invalid(body.decode().strip())
            return body, answer.headers.get("X-ClickHouse-Format", "")
    except (aiohttp.ClientError, TimeoutError) as fault:
        raise Unavailable(
            f"{login.url} does not answer ({fault or type(fault).__name__}): is `leeway up` running?"
        ) from fault


def _table(body: bytes) -> Table:
    answer = orjson.loads(body)
    table = Table()
    for column in answer["meta"]:
        numeric = any(word in column["type"] for word in ("Int", "Float", "Decimal"))
        table.add_column(column["name"], justify="right" if numeric else "left")
    for row in answer["data"]:
        table.add_row(*("" if value is None else value for value in row))
    return table
