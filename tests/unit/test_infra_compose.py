"""docker-compose.yml: valid by the Compose specification, whole, and of settings that exist."""

import re
from typing import Any

import jsonschema_rs
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema  # type: ignore[import-untyped]

from services.settings import Installation
from shared.config.loader import load_config
from tests.compose import compose as the_file
from tests.deployment import INFRA, PROCESSES, ROOT, Document, setting_names

STORES = {"kafka", "clickhouse", "postgres"}
WATCHERS = {"prometheus", "grafana"}
ONCE = {"certificates", "prepare"}
OURS = {*PROCESSES, *ONCE}
_VARIABLE = re.compile(r"\$\{(\w+)(:[?-])?")


@pytest.fixture(scope="module")
def compose() -> Document:
    return the_file()


def _seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_it_is_what_the_specification_says(compose: Document) -> None:
    schema = get_builtin_schema("vendor.compose-spec")

    assert [e.message for e in jsonschema_rs.validator_for(schema).iter_errors(compose)] == []


def test_it_starts_every_process_the_stores_and_the_watchers(compose: Document) -> None:
    assert set(compose["services"]) == OURS | STORES | WATCHERS
    assert {name: compose["services"][name]["command"] for name in PROCESSES} == {
        name: [name] for name in PROCESSES
    }


def test_one_image_runs_every_process_with_the_same_few_rights(compose: Document) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["image"] == compose["services"]["edge"]["image"]
        assert service["build"]["dockerfile"] == "infra/docker/Dockerfile"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_no_image_moves_under_its_name(compose: Document) -> None:
    tags = [service["image"].rpartition(":")[2] for service in compose["services"].values()]

    assert all(re.match(r"v?\d", tag) for tag in tags), tags


def test_every_setting_that_our_processes_are_given_exists(compose: Document) -> None:
    given = {name for each in OURS for name in compose["services"][each]["environment"]}

    assert given - setting_names() == set()


def test_a_process_has_a_host_name_and_a_volume_of_its_own(compose: Document) -> None:
    for name in OURS:
        service = compose["services"][name]
        [own, *others] = service["volumes"]
        assert service["hostname"] == name
        assert own == (f"{name}:/certificates" if name == "certificates" else f"{name}:/data")
        assert others == (["certificates:/certificates:ro"] if name in PROCESSES else [])


def test_a_process_shows_a_certificate_of_its_own_name(compose: Document) -> None:
    for name in PROCESSES:
        given = compose["services"][name]["environment"]
        assert {n: v for n, v in given.items() if n.startswith("LEEWAY_TLS_")} == {
            "LEEWAY_TLS_CA": "/certificates/ca.crt",
            "LEEWAY_TLS_CERT": f"/certificates/{name}.crt",
            "LEEWAY_TLS_KEY": f"/certificates/{name}.key",
        }


def test_every_volume_is_declared_and_used(compose: Document) -> None:
    mounts = [m for s in compose["services"].values() for m in s.get("volumes", [])]
    names = {mount.partition(":")[0] for mount in mounts if not mount.startswith(".")}

    assert set(compose["volumes"]) == names


def test_what_is_mounted_from_the_repository_is_there(compose: Document) -> None:
    mounts = [m for s in compose["services"].values() for m in s.get("volumes", [])]
    paths = [ROOT / mount.partition(":")[0] for mount in mounts if mount.startswith(".")]

    assert [path for path in paths if not path.exists()] == []


def test_every_process_waits_for_prepare_and_prepare_for_the_stores(compose: Document) -> None:
    for name in PROCESSES:
        waits = compose["services"][name]["depends_on"]
        assert waits == {"prepare": {"condition": "service_completed_successfully"}}
    assert set(compose["services"]["prepare"]["depends_on"]) == {"certificates", *STORES}
    assert all("healthcheck" in compose["services"][name] for name in STORES)


def test_a_stop_leaves_time_to_drain(compose: Document) -> None:
    drain = Installation().drain_seconds

    assert all(_seconds(compose["services"][n]["stop_grace_period"]) > drain for n in OURS)


def test_only_the_doors_are_open_to_other_hosts(compose: Document) -> None:
    published = {n: s["ports"] for n, s in compose["services"].items() if "ports" in s}
    open_to_all = {n for n, ports in published.items() if not _on_loopback(ports)}

    assert open_to_all == {"edge"}


def _on_loopback(ports: list[Any]) -> bool:
    return all(port.startswith("127.0.0.1:") for port in ports)


def test_what_must_be_set_is_explained_with_how_to_make_it() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    required = {name for name, kind in _VARIABLE.findall(text) if kind == ":?"}
    readme = (INFRA / "README.md").read_text(encoding="utf-8")

    assert required
    assert [name for name in required if f"| `{name}` |" not in readme] == []
    assert "openssl rand -hex 32" in readme


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    defaulted = {name for name, kind in _VARIABLE.findall(text) if kind != ":?"}

    assert defaulted == {"LEEWAY_PORT", "LEEWAY_OTLP_PORT", "LEEWAY_YAML"}


def test_what_it_serves_by_default_is_a_whole_configuration() -> None:
    config = load_config(INFRA / "docker" / "leeway.yaml", {})

    assert [tenant.tenant for tenant in config.tenants] == ["default"]
