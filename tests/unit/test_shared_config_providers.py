"""Providers in leeway.yaml: what each kind needs, and the options that hold references."""

from pathlib import Path
from textwrap import dedent

import pytest

from services.serving.providers.capabilities import CAPABILITIES
from shared.config import Config
from shared.config.loader import load_config
from shared.config.providers import PROVIDER_OPTIONS
from shared.errors import Invalid


class File:
    """leeway.yaml in a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "leeway.yaml"

    def load(self, text: str, **environ: str) -> Config:
        self._path.write_text(dedent(text).lstrip("\n"))
        return load_config(self._path, environ)

    def faults(self, text: str, **environ: str) -> list[str]:
        with pytest.raises(Invalid) as caught:
            self.load(text, **environ)
        return list(caught.value.faults)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_every_kind_that_can_be_configured_has_its_capabilities() -> None:
    assert PROVIDER_OPTIONS.keys() == CAPABILITIES.keys()


@pytest.mark.parametrize(
    ("provider", "faults"),
    [
        (
            "{name: p, kind: azure}",
            [
                (
                    "providers[0].base_url: is required: a URL: a provider of kind azure has no address "
                    "of its own."
                )
            ],
        ),
        (
            "{name: p, kind: bedrock}",
            ["providers[0].options: is required: region, a region like eu-west-1."],
        ),
        (
            "{name: p, kind: bedrock, options: {secret_access_key: plain}}",
            [
                "providers[0].options.region: is required: a region like eu-west-1.",
                (
                    "providers[0].options.secret_access_key: a secret must be a reference "
                    "like ${NAME}, never the secret itself."
                ),
            ],
        ),
        (
            "{name: p, kind: mistral, options: {api_keys: plain}}",
            ["providers[0].options.api_keys: expected a list of references like ${NAME}."],
        ),
    ],
)
def test_what_a_kind_of_provider_needs_is_demanded(
    file: File, provider: str, faults: list[str]
) -> None:
    assert file.faults(f"providers: [{provider}]") == [
        f"leeway.yaml:1: {fault}" for fault in faults
    ]


def test_an_access_key_and_a_pool_of_keys_stay_references(file: File) -> None:
    config = file.load(
        """
        providers:
          - name: aws
            kind: bedrock
            options:
              region: eu-west-1
              access_key_id: ${A}
              secret_access_key: ${B}
              api_keys: ["${A}", "${B}"]
        """,
        A="a",
        B="b",
    )

    assert config.providers[0].options == {
        "region": "eu-west-1",
        "access_key_id": "${A}",
        "secret_access_key": "${B}",
        "api_keys": ["${A}", "${B}"],
    }
