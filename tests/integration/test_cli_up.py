"""`leeway up --check`: what a service would refuse after its start is refused before any starts."""

import base64
import json
import os
import subprocess
import sys
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
PROXY = """
models: [{name: large, routes: [{provider: gate, model: gpt-4o}]}]
providers:
  - name: gate
    kind: openai
    base_url: https://proxy.example/v1
"""
HOOK = "whsec_" + base64.b64encode(b"s" * 32).decode()


def _checked(folder: Path, text: str, **settings: str) -> Result:
    config = folder / "leeway.yaml"
    config.write_text(text, encoding="utf-8")
    verbs = typer.Typer()
    verbs.command()(up)
    data = folder / "data"
    environment = {"LEEWAY_CONFIG": str(config), "LEEWAY_DATA": str(data), "HOOK": HOOK}
    result = CliRunner().invoke(verbs, ["--check"], env={**environment, **settings})
    assert not data.exists()
    return result


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (INWARD, "leeway.yaml:3: alerts.channels[0].url: '169.254.169.254' is"),
        (TOO_FINE, "at most 6 decimals"),
    ],
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


def test_models_without_a_price_are_warned_of_and_printed_settings_stay_json(
    tmp_path: Path,
) -> None:
    result = _checked(tmp_path, PROXY)

    assert result.exit_code == 0
    assert "No price is known for large (gate/gpt-4o): calls are" in result.stderr
    assert json.loads(result.stdout)["edge_workers"] == 1
    assert "No price" not in _checked(tmp_path, f"{PROXY}    prices_of: openai\n").stderr


def test_the_wrong_settings_of_every_service_are_refused_together(tmp_path: Path) -> None:
    result = _checked(
        tmp_path, "", LEEWAY_BILLING_BATCH_RECORDS="0", LEEWAY_SERVING_MAX_ATTEMPTS="none"
    )

    assert isinstance(result.exception, Invalid)
    assert result.exception.faults == (
        "LEEWAY_SERVING_MAX_ATTEMPTS: expected a valid integer, not 'none'.",
        "LEEWAY_BILLING_BATCH_RECORDS: expected greater than or equal to 1, not '0'.",
    )


def test_a_process_with_a_wrong_setting_ends_with_a_sentence_and_no_traceback() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "services", "core", "--services", "billing"],
        env={**os.environ, "LEEWAY_BILLING_BATCH_RECORDS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 1
    assert process.stderr == (
        "leeway: One setting is wrong.\n"
        "  LEEWAY_BILLING_BATCH_RECORDS: expected greater than or equal to 1, not '0'.\n"
    )
