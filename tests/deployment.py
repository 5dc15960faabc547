"""What the deployment files are checked with: their text as values, and the settings that exist."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.registry.settings import SERVICES
from services.settings import Installation
from shared.settings import ServiceSettings

ROOT = Path(__file__).parents[1]
INFRA = ROOT / "infra"
DOCKERFILE = INFRA / "docker" / "Dockerfile"

Document = dict[str, Any]  # a YAML or JSON file's own shape

# The processes of cluster mode, as `python -m services NAME` starts them.
PROCESSES = ("alerting", "billing", "drift", "edge", "evaluation", "registry", "warehouse")


def documents(path: Path) -> list[Document]:
    """The documents of a YAML file."""
    text = path.read_text(encoding="utf-8")
    return [each for each in YAML(typ="safe").load_all(text) if each is not None]


def dashboards() -> dict[str, Document]:
    """Grafana's dashboards, by the name of the file."""
    paths = sorted((INFRA / "grafana" / "dashboards").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def queries(dashboard: Document, key: str) -> list[str]:
    """What the panels of a dashboard ask: `expr` of Prometheus, `rawSql` of ClickHouse."""
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    return [target[key] for target in targets if key in target]


def setting_names() -> frozenset[str]:
    """The environment variables that the installation and the services read."""
    services = (
        importlib.import_module(f"services.{name}.settings").Settings
        for name in SERVICES - {"core", "edge"}
    )
    classes: list[type[ServiceSettings]] = [Installation, *services]
    return frozenset(
        f"{each.model_config['env_prefix']}{field}".upper()
        for each in classes
        for field in each.model_fields
    )


def image_instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: the word, and the rest in one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    pairs = (line.partition(" ") for line in lines if line.strip())
    return [(word, " ".join(rest.split())) for word, _, rest in pairs]


def image_last_stage() -> list[tuple[str, str]]:
    """Those of the image that is kept."""
    found = image_instructions()
    start = max(n for n, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def image_environment() -> dict[str, str]:
    """What every process of the image is told, unless its container tells it otherwise."""
    pairs = (rest for word, rest in image_last_stage() if word == "ENV")
    return dict(pair.split("=", 1) for rest in pairs for pair in rest.split(" "))
