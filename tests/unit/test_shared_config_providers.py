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


def test_a_pool_of_keys_may_have_weights_and_a_provider_a_limit(file: File) -> None:
    config = file.load(
        """
        providers:
          - name: pooled
            kind: openai
            options:
              max_concurrency: 64
              api_keys:
                - {key: "${A}", weight: 3}
                - "${B}"
        """,
        A="a",
        B="b",
    )

    assert config.providers[0].options == {
        "max_concurrency": 64,
        "api_keys": ["${A}", "${B}"],
        "key_weights": [3, 1],
    }


def test_a_key_with_a_weight_is_checked_as_any_other(file: File) -> None:
    assert file.faults(
        """
        providers:
          - name: pooled
            kind: openai
            options:
              max_concurrency: 0
              api_keys: [{weight: 0, colour: red}]
        """
    ) == [
        "leeway.yaml:5: providers[0].options.max_concurrency: expected a whole number from 1 to 1000000, not '0'.",
        "leeway.yaml:6: providers[0].options.api_keys[0].colour: there is no such key (there is: key, weight).",
        "leeway.yaml:6: providers[0].options.api_keys[0].key: is required: a reference like ${NAME}.",
        "leeway.yaml:6: providers[0].options.api_keys[0].weight: expected a whole number from 1 to 1000000, not '0'.",
    ]


@pytest.mark.parametrize(
    ("own", "spares", "faults"),
    [
        (
            "",
            "limits: {concurrent: 1}",
            [
                "leeway.yaml:3: models[0].fallbacks: 'b' has limits, guardrails or bounds that 'a' does not have."
            ],
        ),
        ("limits: {concurrent: 1}", "limits: {concurrent: 1}", []),
        ("limits: {concurrent: 1}", "routing: {strategy: priority}", []),
    ],
)
def test_a_fallback_wants_no_more_of_a_call_than_the_model_that_let_it_in(
    file: File, own: str, spares: str, faults: list[str]
) -> None:
    text = f"""
        models:
          - name: a
            fallbacks: [b]
            routes: [{{provider: demo, model: demo}}]
            {own}
          - name: b
            routes: [{{provider: demo, model: demo}}]
            {spares}
        """

    assert (file.faults(text) if faults else list(file.load(text).secrets)) == faults
