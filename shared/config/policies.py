"""Policies in leeway.yaml: the keys that a tenant, a project, a key or a model may have beside its own."""

from shared.config.section import Section
from shared.errors import Invalid
from shared.policy import NO_POLICY, Policy, policy_of

OF_CALLERS = (
    "limits",
    "guardrails",
    "cache",
    "models",
    "max_output_tokens",
    "max_cost_usd",
)
OF_MODELS = ("limits", "guardrails", "cache", "routing", "max_output_tokens", "max_cost_usd")


def policy_in(section: Section, keys: tuple[str, ...]) -> Policy:
    """The policy that some keys of a section say; a fault is told at the key that has it."""
    body = {key: section.plain(key) for key in keys if section.find(key) is not None}
    try:
        return policy_of(body)
    except Invalid as fault:
        path = fault.param or ""
        key = path.partition(".")[0].partition("[")[0]
        section.fault(key, f"{fault.message.removeprefix('The policy is wrong: ')} (at {path})")
        return NO_POLICY
