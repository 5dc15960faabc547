"""`leeway tenants`: make and list tenants, and tell the passwords of their SQL users."""

from typing import Annotated

import typer

from services.cli.control import JsonOption, KeyOption, UrlOption, control, show
from services.settings import Installation
from shared.errors import Denied, NotFound
from shared.secrets_folder import OPERATORS, SecretsFolder

app = typer.Typer(
    help="Tenants: make, list, give an SQL password.", no_args_is_help=True, add_completion=False
)

_COLUMNS = ("tenant", "name", "content", "origin", "created_at", "changed_at", "changed_by")


@app.command()
def create(
    tenant: Annotated[str, typer.Argument(help="Its id: lower-case letters, digits, '-', '_'.")],
    name: Annotated[str, typer.Option(help="Its name for people.")] = "",
    content: Annotated[
        str, typer.Option(help="How its texts are stored: full, redacted, hash or none.")
    ] = "full",
    url: UrlOption = "",
    key: KeyOption = "",
) -> None:
    """Make a tenant with a project `default` and an environment `production`."""
    body = {"tenant": tenant, "name": name, "content": content}
    made = control(url, key).ask("POST", "tenants", body)
    print(
        f"{made['tenant']} is made: give it a key with `leeway keys create --tenant {tenant}`,"
        f" and an SQL user with `leeway tenants sql-password {tenant}`."
    )


@app.command("list")
def list_tenants(url: UrlOption = "", key: KeyOption = "", *, as_json: JsonOption = False) -> None:
    """List the tenants."""
    show(control(url, key).every("tenants"), _COLUMNS, as_json=as_json)


@app.command("sql-password")
def sql_password(
    tenant: Annotated[str, typer.Argument(help="The tenant, which is also its SQL user's name.")],
    url: UrlOption = "",
    key: KeyOption = "",
    *,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make another: the one before opens nothing more.")
    ] = False,
) -> None:
    """Print the password of a tenant's SQL user here, made now when it has none."""
    if tenant == OPERATORS:
        raise Denied(f"{OPERATORS} is the operators' own SQL user: its password stays.")
    if all(row["tenant"] != tenant for row in control(url, key).every("tenants")):
        raise NotFound(f"There is no tenant '{tenant}'.")
    secrets = SecretsFolder(Installation().data)
    print(secrets.new_sql_password(tenant) if rotate else secrets.sql_password(tenant))
