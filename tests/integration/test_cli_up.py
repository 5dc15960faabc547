"""`leeway up --check`: what a service would refuse after its start is refused before any starts."""

import base64
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli.up import up
from shared.errors import Invalid

INWARD = """
alerts:
  channels: [{name: ops, kind: webhook, url: "http://169.254.169.254/hook", secret: "${HOOK}"}]
"""
TOO_FINE = """
prices: [{provider: own, model: m, rates_per_million_usd: {audio_seconds: 0.0000001}}]
"""
HOOK = "whsec_" + base64.b64encode(b"s" * 32).decode()


def _checked(folder: Path, text: str) -> Result:
    config = folder / "leeway.yaml"
    config.write_text(text, encoding="utf-8")
    verbs = typer.Typer()
    verbs.command()(up)
    data = folder / "data"
    environment = {"LEEWAY_CONFIG": str(config), "LEEWAY_DATA": str(data), "HOOK": HOOK}
    result = CliRunner().invoke(verbs, ["--check"], env=environment)
    assert not data.exists()
    return result


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(INWARD, "169.254.169.254"), (TOO_FINE, "at most 6 decimals")],
)
def test_what_a_service_would_refuse_later_is_refused_at_once(
    tmp_path: Path, text: str, sentence: str
) -> None:
    result = _checked(tmp_path, text)

    assert isinstance(result.exception, Invalid)
    assert sentence in " ".join((result.exception.message, *result.exception.faults))


def test_a_file_that_is_fine_prints_the_settings_and_starts_nothing(tmp_path: Path) -> None:
    result = _checked(tmp_path, "tenants: [{tenant: acme}]\n")

    assert result.exit_code == 0
    assert '"edge_workers": 1' in result.stdout
