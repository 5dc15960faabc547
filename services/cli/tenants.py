"""`leeway tenants`: make and list tenants."""

from typing import Annotated

import typer

from services.cli.control import JsonOption, KeyOption, UrlOption, control, show

app = typer.Typer(help="Tenants: make, list.", no_args_is_help=True)

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
    print(f"{made['tenant']} is made: give it a key with `leeway keys create --tenant {tenant}`.")


@app.command("list")
def list_tenants(url: UrlOption = "", key: KeyOption = "", *, as_json: JsonOption = False) -> None:
    """List the tenants."""
    show(control(url, key).every("tenants"), _COLUMNS, as_json=as_json)
