"""Tenants in leeway.yaml: whom this installation serves, and with which keys."""

from collections.abc import Mapping

from shared.config import KeyConfig, TenantConfig
from shared.config.kinds import ID, LINE, MOMENT, NAME, choice
from shared.config.policies import OF_CALLERS, policy_in
from shared.config.section import Section
from shared.policy import NO_POLICY, Policy
from shared.secrets_folder import OPERATORS
from shared.tokens import is_token

SCOPES = ("serve", "ingest", "feedback", "read", "admin")
CONTENT_POLICIES = ("full", "redacted", "hash", "none")

FIRST_TENANT = TenantConfig(
    tenant="default",
    keys=(KeyConfig(name="first", scopes=("serve", "ingest", "feedback", "read")),),
)

_SCOPE = choice(*SCOPES)
_CONTENT = choice(*CONTENT_POLICIES)


def tenant_of(section: Section) -> TenantConfig:
    """A tenant with its projects, environments and keys."""
    tenant = section.name("tenant", ID, defines="tenant")
    if tenant == OPERATORS:
        section.fault("tenant", f"the tenant '{OPERATORS}' is the operators' own.")
    policies = _projects(section) or {"default": NO_POLICY}
    projects = tuple(policies)
    environments = section.many("environments", ID) or ("production",)
    keys = section.sections("keys")
    return TenantConfig(
        tenant=tenant,
        name=section.optional("name", LINE, tenant),
        content=section.optional("content", _CONTENT, "full"),
        projects=projects,
        environments=environments,
        keys=tuple(_key(key, tenant, projects, environments) for key in keys),
        sql_password=section.secret("sql_password"),
        policy=policy_in(section, OF_CALLERS),
        project_policies={name: of for name, of in policies.items() if of != NO_POLICY},
    )


def _projects(section: Section) -> Mapping[str, Policy]:
    """The projects: names, or mappings of a name and its policy."""
    value = section.find("projects")
    if value is None or not any(item.type == "map" for item in value.items()):
        return dict.fromkeys(section.many("projects", ID), NO_POLICY)
    policies: dict[str, Policy] = {}
    for project in section.sections("projects"):
        name = project.required("project", ID, "")
        if name in policies:
            project.fault("project", f"'{name}' is listed twice.")
        policies[name] = policy_in(project, OF_CALLERS)
    return policies


def _key(
    section: Section, tenant: str, projects: tuple[str, ...], environments: tuple[str, ...]
) -> KeyConfig:
    """A key; without a project or an environment of its own it takes the tenant's first."""
    return KeyConfig(
        name=section.name("name", NAME, defines="key", within=f"{tenant}/"),
        scopes=section.required_many("scopes", _SCOPE),
        project=section.optional("project", choice(*projects), projects[0]),
        environment=section.optional("environment", choice(*environments), environments[0]),
        secret=_whole_key(section),
        expires_at=section.optional("expires_at", MOMENT, None),
        policy=policy_in(section, OF_CALLERS),
    )


def _whole_key(section: Section) -> str:
    reference = section.secret("secret")
    value = section.reading.secrets.get(reference[2:-1], "")
    if value and not is_token(value):
        section.fault(
            "secret", "the variable must hold a whole key, as `leeway keys generate` makes."
        )
    return reference
