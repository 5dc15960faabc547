"""infra/k8s as others read it: Kubernetes' schemas, and Kustomize itself where it is installed."""

import re
import shutil
import subprocess
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from tests.deployment import INFRA, Document, documents
from tests.kustomize import MERGE_KEYS, build

K8S = INFRA / "k8s"
OVERLAYS = ("small", "production")
VERSION = "1.33"
_HASH = re.compile(r"-[a-z0-9]{10}\Z")
_GENERATED = ("environment", "leeway-yaml", "clickhouse-config", "clickhouse-users")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_resource_is_what_its_schema_says(overlay: str) -> None:
    for resource in build(K8S / "overlays" / overlay):
        kubernetes_validate.validate(resource, VERSION, strict=True)


def test_the_example_secrets_are_secrets() -> None:
    for secret in documents(K8S / "secrets.example.yaml"):
        kubernetes_validate.validate(secret, VERSION, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_builder_of_the_tests_and_kustomize_agree(overlay: str) -> None:
    folder = K8S / "overlays" / overlay
    command = ["kubectl", "kustomize", str(folder)]

    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    assert _ordered(YAML(typ="safe").load_all(printed)) == _ordered(build(folder))


def _ordered(resources: Any) -> list[tuple[str, Document]]:
    named = (
        (f"{r['kind']}/{_HASH.sub('', r['metadata']['name'])}", _plain("", r)) for r in resources
    )
    return sorted(named, key=lambda each: each[0])


def _plain(key: str, value: Any) -> Any:
    """A value without the hashes of generated names, its keyed lists in one order."""
    if isinstance(value, dict):
        return {name: _plain(name, each) for name, each in value.items()}
    if isinstance(value, list):
        plain = [_plain("", each) for each in value]
        name = MERGE_KEYS.get(key)
        keyed = name is not None and all(isinstance(p, dict) and name in p for p in plain)
        return sorted(plain, key=lambda each: str(each[name])) if keyed else plain
    if isinstance(value, str) and _HASH.sub("", value) in _GENERATED:
        return _HASH.sub("", value)
    return value
