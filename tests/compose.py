"""docker-compose.yml's own processes on this machine: what each is given there, with hosts and paths of here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.deployment import INFRA, ROOT, Document, documents, image_environment

_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}")
_SECRETS = {"LEEWAY_PEPPER": "ab" * 32}
# What belongs to a host, where several stand on one: its ports, and who else may reach them.
_OF_A_HOST = {
    "LEEWAY_HOST": "127.0.0.1",
    "LEEWAY_PORT": "0",
    "LEEWAY_OPERATIONS_HOST": "127.0.0.1",
    "LEEWAY_OPERATIONS_PORT": "0",
}


def compose() -> Document:
    """The file, its anchors written out."""
    [document] = documents(ROOT / "docker-compose.yml")
    return document


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for every volume, and where the other containers answer on this machine."""

    folder: Path
    addresses: Mapping[str, str]  # what stands in the file, and what stands for it here

    def environment(self, service: str) -> dict[str, str]:
        """What a container of this service sees, as a process of this machine sees it."""
        given = {**image_environment(), **compose()["services"][service]["environment"]}
        told = {
            name: self._here(service, value)
            for name, value in given.items()
            if name.startswith("LEEWAY_")
        }
        return {**told, **_OF_A_HOST}

    def command(self, service: str) -> list[str]:
        """The words behind `python` that its container starts with."""
        container = compose()["services"][service]
        _, *entry = container.get("entrypoint", ["python", "-m", "services"])
        return [*entry, *(self._here(service, word) for word in container["command"])]

    def _here(self, service: str, value: str) -> str:
        value = _VARIABLE.sub(lambda found: _SECRETS.get(found[1], "secret"), value)
        for there, here in self.addresses.items():
            value = value.replace(there, here)
        if value == "/etc/leeway/leeway.yaml":
            return str(INFRA / "docker" / "leeway.yaml")
        if value == "/data":
            return str(self.folder / service)
        return value.replace("/certificates", str(self.folder / "certificates"))
