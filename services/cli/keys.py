"""`leeway keys`: make, list, rotate and revoke API keys."""

from typing import Annotated

import typer

from services.cli.control import (
    JsonOption,
    KeyOption,
    TenantOption,
    UrlOption,
    control,
    show,
)
from shared.tokens import new_token

app = typer.Typer(
    help="API keys: make, list, rotate, revoke.", no_args_is_help=True, add_completion=False
)

_COLUMNS = (
    "key_id",
    "tenant",
    "name",
    "scopes",
    "environment",
    "expires_at",
    "revoked",
    "changed_at",
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(help="serve, ingest, feedback, read or admin; give it once for each."),
    ],
    tenant: TenantOption = "",
    project: Annotated[str, typer.Option(help="The tenant's project.")] = "default",
    environment: Annotated[str, typer.Option(help="The tenant's environment.")] = "production",
    expires_at: Annotated[str, typer.Option(help="When it ends, like 2030-01-31T00:00:00Z.")] = "",
    url: UrlOption = "",
    key: KeyOption = "",
) -> None:
    """Make a key and print it: this once, and on standard output alone."""
    body: dict[str, object] = {
        "name": name,
        "scopes": scope,
        "project": project,
        "environment": environment,
    }
    body |= {"tenant": tenant} if tenant else {}
    body |= {"expires_at": expires_at} if expires_at else {}
    print(control(url, key).ask("POST", "keys", body)["token"])
    typer.echo("Keep it now: it is not shown again.", err=True)


@app.command("list")
def list_keys(
    tenant: TenantOption = "",
    url: UrlOption = "",
    key: KeyOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """List keys, ended ones included; never their secrets."""
    show(control(url, key).every("keys", tenant), _COLUMNS, as_json=as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, the eight letters in its middle.")],
    url: UrlOption = "",
    key: KeyOption = "",
) -> None:
    """End a key now."""
    revoked = control(url, key).ask("DELETE", f"keys/{key_id}")
    print(f"{revoked['prefix']} ({revoked['tenant']}/{revoked['name']}) opens nothing any more.")


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The key's id, the eight letters in its middle.")],
    overlap_seconds: Annotated[
        int, typer.Option(help="For how long the old key still opens.")
    ] = 86_400,
    url: UrlOption = "",
    key: KeyOption = "",
) -> None:
    """Make a key in the place of another, which ends after the overlap; print the new one."""
    body = {"overlap_seconds": overlap_seconds}
    print(control(url, key).ask("POST", f"keys/{key_id}/rotate", body)["token"])
    typer.echo(f"Keep it now. The old key ends in {overlap_seconds} seconds.", err=True)


@app.command()
def generate(
    environment: Annotated[str, typer.Option(help="The environment it is for.")] = "production",
) -> None:
    """Print a whole key for a variable that leeway.yaml refers to (`secret: ${NAME}`); asks nobody."""
    print(new_token(environment))
