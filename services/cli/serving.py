"""`leeway serving`: stop all calls, or those of a tenant, a key, a model or a provider; and start them again."""

from typing import Annotated

import typer

from services.cli.control import JsonOption, KeyOption, UrlOption, control, show
from shared.errors import Invalid

app = typer.Typer(
    help="The gateway's kill switch: stop, start, and what is stopped.",
    no_args_is_help=True,
    add_completion=False,
)

OfTenant = Annotated[str, typer.Option("--tenant", help="Only the calls of this tenant.")]
OfKey = Annotated[str, typer.Option("--of-key", help="Only the calls of the key with this id.")]
OfModel = Annotated[str, typer.Option("--model", help="Only the calls of this public model.")]
OfProvider = Annotated[str, typer.Option("--provider", help="Only what would go to this provider.")]


@app.command()
def stop(
    reason: Annotated[str, typer.Option(help="Told to whoever is refused.")] = "",
    tenant: OfTenant = "",
    of_key: OfKey = "",
    model: OfModel = "",
    provider: OfProvider = "",
    url: UrlOption = "",
    key: KeyOption = "",
) -> None:
    """Stop every call from now on, or those that the options name; what runs already goes on."""
    what, name = _named(tenant=tenant, key=of_key, model=model, provider=provider)
    body = {"what": what, "name": name, "reason": reason}
    control(url, key).ask("POST", "stops", body)
    print(f"Stopped: {_told(what, name)}.")


@app.command()
def start(
    tenant: OfTenant = "",
    of_key: OfKey = "",
    model: OfModel = "",
    provider: OfProvider = "",
    url: UrlOption = "",
    key: KeyOption = "",
) -> None:
    """Serve again what was stopped with the same options."""
    what, name = _named(tenant=tenant, key=of_key, model=model, provider=provider)
    control(url, key).ask("DELETE", f"stops/{what}/{name}" if name else f"stops/{what}")
    print(f"Started: {_told(what, name)}.")


@app.command("list")
def list_stops(url: UrlOption = "", key: KeyOption = "", *, as_json: JsonOption = False) -> None:
    """List what is stopped, since when and by whom."""
    stops = control(url, key).every("stops")
    show(stops, ("what", "name", "reason", "changed_at", "changed_by"), as_json=as_json)


def _named(**of: str) -> tuple[str, str]:
    """What is named, and its name; everything when nothing is. Raises `Invalid` for several."""
    named = [(what, name) for what, name in of.items() if name]
    if len(named) > 1:
        raise Invalid(
            "Name one of --tenant, --of-key, --model and --provider, or none for every call."
        )
    return named[0] if named else ("all", "")


def _told(what: str, name: str) -> str:
    return f"the calls of the {what} {name}" if name else "every call"
