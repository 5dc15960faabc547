"""Google's shape: the prompt includes what was cached; thoughts and tool prompts stand beside.

Read in google-genai 3.4 `types.py`, `GenerateContentResponseUsageMetadata` and, for Live,
`UsageMetadata`. Both the wire's camelCase and the SDK's snake_case names are read.
"""

import re
from collections.abc import Mapping

from shared.prices.usage.counts import (
    Counts,
    Metered,
    Quantity,
    UsageDoubtful,
    disjoint,
    require,
    require_total,
)

# Google lists one rate for these unless a model's page names one of its own.
_SAME_RATE = {
    "image_in": "fresh_input",
    "video_in": "fresh_input",
    "document_in": "fresh_input",
    "cache_read_image": "cache_read",
    "cache_read_video": "cache_read",
    "cache_read_document": "cache_read",
}
_MODALITIES = {
    "TEXT": "",
    "AUDIO": "audio",
    "IMAGE": "image",
    "VIDEO": "video",
    "DOCUMENT": "document",
}


def generate_content(usage: Counts) -> Metered:
    """The usage metadata of generateContent and of the Live API."""
    prompt, tools = usage.count("promptTokenCount"), usage.count("toolUsePromptTokenCount")
    answer, thoughts = _answer(usage), usage.count("thoughtsTokenCount")
    require_total(usage.given("totalTokenCount"), prompt + tools + answer + thoughts)
    tokens = _input_classes(usage, prompt)
    spoken = _by_modality(usage, answer, "candidatesTokensDetails", "responseTokensDetails")
    tokens |= disjoint(
        [
            ("tool_input", tools),
            *((f"{kind}_out" if kind else "output", count) for kind, count in spoken.items()),
            ("reasoning", thoughts),
        ]
    )
    tiers = (usage.text("trafficType"), usage.text("serviceTier"))
    return Metered(tokens, tiers=tiers, same_rate=_SAME_RATE)


def camel_names(members: Mapping[str, object]) -> dict[str, object]:
    """The object with its members' names as the wire has them, at every depth.

    >>> camel_names({"prompt_token_count": 3})
    {'promptTokenCount': 3}
    """
    return {_camel(name): _camel_value(value) for name, value in members.items()}


def _camel_value(value: object) -> object:
    if isinstance(value, Mapping):
        return camel_names(value)
    return [_camel_value(item) for item in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name) if "_" in name else name


def _answer(usage: Counts) -> int:
    return usage.count(
        "candidatesTokenCount" if "candidatesTokenCount" in usage else "responseTokenCount"
    )


def _input_classes(usage: Counts, prompt: int) -> dict[str, Quantity]:
    cached = usage.count("cachedContentTokenCount")
    read = _by_modality(usage, prompt, "promptTokensDetails")
    known = "cacheTokensDetails" in usage or set(read) == {""}
    require(cached == 0 or known, "cache_modality_unknown")
    cached_by_kind = _by_modality(usage, cached, "cacheTokensDetails")
    require(set(cached_by_kind) <= {*read, ""}, "subset_exceeds_parent")
    classes: list[tuple[str, Quantity]] = []
    for kind, count in read.items():
        from_cache = cached_by_kind.get(kind, 0)
        classes.append((f"{kind}_in" if kind else "fresh_input", count - from_cache))
        classes.append((f"cache_read_{kind}" if kind else "cache_read", from_cache))
    return disjoint(classes)


def _by_modality(usage: Counts, whole: int, *names: str) -> dict[str, int]:
    """A count split by modality ("" is text); all of it is text where there is no breakdown."""
    name = next((name for name in names if name in usage), "")
    details = usage.parts(name) if name else []
    if not details:
        return {"": whole}
    split: dict[str, int] = {"": 0}
    for detail in details:
        modality = detail.text("modality").upper()
        if modality not in _MODALITIES:
            raise UsageDoubtful(f"unknown_modality:{modality}")
        kind = _MODALITIES[modality]
        split[kind] = split.get(kind, 0) + detail.count("tokenCount")
    require(sum(split.values()) == whole, "modality_mismatch")
    return split
