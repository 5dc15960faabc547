"""/v1/registry: who may do what, and what a change does to the keys that everybody knows."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from shared.config import Config, KeyConfig, TenantConfig
from shared.errors import Denied
from shared.live import split_key
from tests.registry import START, Installation, bearer, told

SCOPES = ("serve", "ingest", "feedback", "read", "admin")
CONFIG = Config(
    tenants=(
        TenantConfig("acme", keys=tuple(KeyConfig(scope, (scope,)) for scope in SCOPES)),
        TenantConfig("other", keys=(KeyConfig("web", ("serve",)),)),
    )
)
ROUTES = (
    ("GET", "/v1/registry/tenants"),
    ("POST", "/v1/registry/tenants"),
    ("GET", "/v1/registry/projects"),
    ("POST", "/v1/registry/projects"),
    ("GET", "/v1/registry/environments"),
    ("POST", "/v1/registry/environments"),
    ("GET", "/v1/registry/keys"),
    ("POST", "/v1/registry/keys"),
    ("DELETE", "/v1/registry/keys/abcdefgh"),
    ("POST", "/v1/registry/keys/abcdefgh/rotate"),
    ("GET", "/v1/registry/models"),
    ("GET", "/v1/registry/providers"),
    ("GET", "/v1/registry/stops"),
    ("POST", "/v1/registry/stops"),
    ("DELETE", "/v1/registry/stops/tenant/acme"),
)


@dataclass
class Registry:
    """A running registry, and every key by "tenant/name"."""

    installation: Installation
    client: httpx.AsyncClient
    tokens: dict[str, str]

    async def ask(self, who: str, method: str, path: str, body: object = None) -> httpx.Response:
        headers = bearer(self.tokens.get(who, who))
        url = f"/v1/registry/{path}"
        return await self.client.request(method, url, headers=headers, json=body)


@pytest.fixture
async def registry(tmp_path: Path, control_url: str) -> AsyncIterator[Registry]:
    installation = Installation(tmp_path, control_url)
    seeded = await installation.prepare(CONFIG)
    await installation.tell()
    tokens = {f"{key.tenant}/{key.name}": key.token for key in seeded.keys}
    async with installation.http() as client:
        yield Registry(installation, client, tokens)


async def test_every_route_refuses_every_other_scope_in_both_spellings_of_the_key(
    registry: Registry,
) -> None:
    for method, path in ROUTES:
        able, told = (
            ({"admin", "read"}, "'read' or 'admin'") if method == "GET" else ({"admin"}, "'admin'")
        )
        for scope in set(SCOPES) - able:
            token = registry.tokens[f"acme/{scope}"]
            for headers in (bearer(token), {"x-api-key": token}):
                answer = await registry.client.request(method, path, headers=headers)
                assert (answer.status_code, method, path, scope) == (403, method, path, scope)
                assert f"lacks the scope {told}" in answer.json()["error"]["message"]


async def test_a_key_that_may_read_lists_its_own_tenant_as_its_administrator_does(
    registry: Registry,
) -> None:
    for path in ("tenants", "projects", "environments", "keys"):
        read = await registry.ask("acme/read", "GET", path)
        administered = await registry.ask("acme/admin", "GET", path)

        assert (read.status_code, read.json()) == (200, administered.json())
        assert {row["tenant"] for row in read.json()["data"]} == {"acme"}
        foreign = await registry.ask("acme/read", "GET", f"{path}?tenant=other")
        assert foreign.status_code == 403
    assert (await registry.ask("acme/read", "GET", "models")).status_code == 403


async def test_every_route_refuses_a_caller_without_a_key_or_with_a_wrong_one(
    registry: Registry,
) -> None:
    wrong = registry.tokens["acme/admin"][:-1] + "x"
    for method, path in ROUTES:
        for headers in ({}, bearer(wrong), bearer("' OR 1=1 --"), {"x-api-key": "lk_"}):
            answer = await registry.client.request(method, path, headers=headers)
            assert (answer.status_code, method, path) == (401, method, path)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "tenants", {"tenant": "new"}),
        ("GET", "providers", None),
        ("GET", "models", None),
        ("GET", "stops", None),
        ("POST", "stops", {"what": "tenant", "name": "acme"}),
        ("DELETE", "stops/tenant/acme", None),
        ("GET", "keys?tenant=other", None),
        ("POST", "keys", {"tenant": "other", "name": "x", "scopes": ["serve"]}),
        ("POST", "projects", {"tenant": "other", "project": "x"}),
        ("POST", "environments", {"tenant": "leeway", "environment": "x"}),
    ],
)
async def test_a_tenants_administrator_reaches_nothing_outside_the_tenant(
    registry: Registry, method: str, path: str, body: object
) -> None:
    answer = await registry.ask("acme/admin", method, path, body)

    assert answer.status_code == 403


@pytest.mark.parametrize("verb", [("DELETE", ""), ("POST", "/rotate")])
async def test_a_tenants_administrator_does_not_learn_that_another_tenants_key_exists(
    registry: Registry, verb: tuple[str, str]
) -> None:
    key_id = split_key(registry.tokens["other/web"])[0]

    answer = await registry.ask("acme/admin", verb[0], f"keys/{key_id}{verb[1]}", {})

    assert answer.status_code == 404
    assert await registry.installation.tell() == []


async def test_a_tenants_administrator_sees_only_the_own_keys(registry: Registry) -> None:
    listed = (await registry.ask("acme/admin", "GET", "keys")).json()["data"]

    assert {key["tenant"] for key in listed} == {"acme"}
    assert sorted(key["name"] for key in listed) == sorted(SCOPES)


async def test_an_operator_sees_every_tenants_keys_by_prefix_and_never_a_hash(
    registry: Registry,
) -> None:
    answer = await registry.ask("leeway/operator", "GET", "keys?tenant=other")

    token = registry.tokens["other/web"]
    assert answer.json() == {
        "data": [
            {
                "key_id": split_key(token)[0],
                "tenant": "other",
                "name": "web",
                "project": "default",
                "environment": "production",
                "scopes": ["serve"],
                "prefix": token[: len("lk_production_12345678")],
                "expires_at": None,
                "revoked": False,
                "policy": {},
                "origin": "file",
                "created_at": "2026-01-01T00:00:00+00:00",
                "changed_at": "2026-01-01T00:00:00+00:00",
                "changed_by": "leeway.yaml",
            }
        ],
        "next": None,
    }


async def test_a_key_is_shown_once_and_known_as_soon_as_it_is_told(registry: Registry) -> None:
    wish = {
        "name": "batch",
        "scopes": ["serve", "ingest"],
        "expires_at": "2026-06-01T02:00:00+02:00",
    }

    made = await registry.ask("acme/admin", "POST", "keys", wish)

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    token = made.json()["token"]
    assert made.json()["expires_at"] == "2026-06-01T00:00:00+00:00"
    await registry.installation.tell()
    assert registry.installation.live.caller(token, START).scopes == {"serve", "ingest"}
    assert token not in (await registry.ask("acme/admin", "GET", "keys")).text


async def test_a_revoked_key_opens_nothing_and_stays_revoked_at_the_next_start(
    registry: Registry,
) -> None:
    token = registry.tokens["other/web"]
    key_id = split_key(token)[0]

    answer = await registry.ask("leeway/operator", "DELETE", f"keys/{key_id}")

    assert answer.json()["revoked"] is True
    await registry.installation.tell()
    with pytest.raises(Denied, match="revoked"):
        registry.installation.live.caller(token, START)
    assert (await registry.installation.prepare(CONFIG)).keys == ()
    assert await registry.installation.tell() == []


async def test_revoking_twice_changes_nothing(registry: Registry) -> None:
    key_id = split_key(registry.tokens["other/web"])[0]
    await registry.ask("leeway/operator", "DELETE", f"keys/{key_id}")
    await registry.installation.tell()

    again = await registry.ask("leeway/operator", "DELETE", f"keys/{key_id}")

    assert again.status_code == 200
    assert await registry.installation.tell() == []


async def test_rotation_leaves_the_old_key_for_the_overlap(registry: Registry) -> None:
    old = registry.tokens["other/web"]
    path = f"keys/{split_key(old)[0]}/rotate"

    made = await registry.ask("leeway/operator", "POST", path, {"overlap_seconds": 60})

    new = made.json()["token"]
    await registry.installation.tell()
    live, clock = registry.installation.live, registry.installation.clock
    assert live.caller(old, clock.now()).tenant == live.caller(new, clock.now()).tenant == "other"
    clock.advance(60)
    with pytest.raises(Denied, match="expired"):
        live.caller(old, clock.now())
    assert live.caller(new, clock.now()).tenant == "other"


async def test_the_files_key_is_the_rotated_one_at_the_next_start(registry: Registry) -> None:
    path = f"keys/{split_key(registry.tokens['other/web'])[0]}/rotate"
    await registry.ask("leeway/operator", "POST", path)
    await registry.installation.tell()

    assert (await registry.installation.prepare(CONFIG)).keys == ()

    assert await registry.installation.tell() == []


async def test_an_ended_key_cannot_be_rotated(registry: Registry) -> None:
    key_id = split_key(registry.tokens["other/web"])[0]
    await registry.ask("leeway/operator", "DELETE", f"keys/{key_id}")

    answer = await registry.ask("leeway/operator", "POST", f"keys/{key_id}/rotate")

    assert answer.status_code == 409


async def test_a_new_tenant_has_a_project_and_an_environment_and_may_get_keys(
    registry: Registry,
) -> None:
    made = await registry.ask(
        "leeway/operator", "POST", "tenants", {"tenant": "new", "content": "hash"}
    )

    assert made.status_code == 201
    assert told(await registry.installation.tell()) == [
        ("tenant", "new", False),
        ("project", "new/default", False),
        ("environment", "new/production", False),
    ]
    assert registry.installation.live.content_policies["new"] == "hash"
    key = {"tenant": "new", "name": "web", "scopes": ["serve"]}
    assert (await registry.ask("leeway/operator", "POST", "keys", key)).status_code == 201


async def test_what_the_api_made_survives_the_next_start(registry: Registry) -> None:
    await registry.ask("leeway/operator", "POST", "tenants", {"tenant": "new"})
    await registry.installation.tell()

    await registry.installation.prepare(CONFIG)

    assert await registry.installation.tell() == []


@pytest.mark.parametrize(
    ("path", "body", "status", "fault"),
    [
        ("tenants", {"tenant": "acme"}, 409, "already"),
        ("tenants", {"tenant": "Not OK", "x": 1}, 400, "tenant"),
        ("projects", {"tenant": "acme", "project": "default"}, 409, "already"),
        ("projects", {"tenant": "nobody", "project": "web"}, 404, "no tenant 'nobody'"),
        ("keys", {"tenant": "acme", "name": "a", "scopes": []}, 400, "scopes"),
        ("keys", {"tenant": "acme", "name": "a", "scopes": ["root"]}, 400, "scopes.0"),
        ("keys", {"tenant": "acme", "name": "serve", "scopes": ["serve"]}, 409, "living key"),
        (
            "keys",
            {"tenant": "acme", "name": "a", "scopes": ["serve"], "environment": "moon"},
            404,
            "no environment 'acme/moon'",
        ),
        (
            "keys",
            {
                "tenant": "acme",
                "name": "a",
                "scopes": ["serve"],
                "expires_at": "2025-01-01T00:00:00Z",
            },
            400,
            "in the past",
        ),
    ],
)
async def test_a_wrong_wish_is_refused_with_its_fault(
    registry: Registry, path: str, body: object, status: int, fault: str
) -> None:
    answer = await registry.ask("leeway/operator", "POST", path, body)

    assert answer.status_code == status
    assert fault in answer.text
    assert await registry.installation.tell() == []


async def test_a_long_list_comes_in_pages(registry: Registry) -> None:
    first = (await registry.ask("leeway/operator", "GET", "projects?limit=2")).json()
    second = (
        await registry.ask("leeway/operator", "GET", f"projects?limit=2&after={first['next']}")
    ).json()

    assert [one["tenant"] for one in first["data"] + second["data"]] == ["acme", "leeway", "other"]
    assert second["next"] is None


async def test_operators_who_revoked_their_last_key_get_one_at_the_next_start(
    registry: Registry,
) -> None:
    key_id = split_key(registry.tokens["leeway/operator"])[0]
    await registry.ask("leeway/operator", "DELETE", f"keys/{key_id}")

    seeded = await registry.installation.prepare(CONFIG)

    assert [(key.tenant, key.name) for key in seeded.keys] == [("leeway", "operator")]
    await registry.installation.tell()
    caller = registry.installation.live.caller(seeded.keys[0].token, START)
    assert caller.tenant == "leeway"
