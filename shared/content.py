"""Content policies: what a tenant lets be stored of what people and models wrote, field by field.

| what                                        | redacted              | hash                  | none              |
|---------------------------------------------|-----------------------|-----------------------|-------------------|
| texts: messages, features, decisions, ...   | without personal data | SHA-256               | left out          |
| names: sessions, users, prompts, spans, ... | as they are, but a text where personal data is found in one       |
| tags                                        | names and texts       | names and texts       | left out          |
| options of the request                      | a text                | settings, and SHA-256 | settings          |
| usage                                       | numbers and words: longer strings are left out                    |
| the caller's embeddings                     | left out              | left out              | left out          |

Under `full` everything is stored as it is. A policy that is not one of the four stores no text.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

import orjson

from shared.pii import findings
from shared.pii.nested import redact_nested

FULL, REDACTED, HASH, NONE = "full", "redacted", "hash", "none"
POLICIES = frozenset({FULL, REDACTED, HASH, NONE})


def kept_text(text: str, policy: str) -> str:
    """A text, or a JSON text, as the policy lets it be stored."""
    match policy:
        case "full":
            return text
        case "redacted":
            return redact_nested(text)
        case "hash":
            return hashed(text) if text else ""
        case _:
            return ""


def kept_name(name: str, policy: str) -> str:
    """What something is called so that it can be joined and grouped: a text when it tells of a person.

    >>> kept_name("session-7", "none"), kept_name("ann@example.org", "redacted")
    ('session-7', '[EMAIL]')
    """
    if policy == FULL or _IMPERSONAL.fullmatch(name) or not findings(name):
        return name
    return kept_text(name, policy)


def kept_tags(tags: Mapping[str, str], policy: str) -> Mapping[str, str]:
    """Tags: their keys are names, their values texts; none at all where no text is stored."""
    if policy == FULL:
        return tags
    if policy not in (REDACTED, HASH):
        return {}
    return {kept_name(key, policy): kept_text(value, policy) for key, value in tags.items()}


def kept_options(options: str, policy: str) -> str:
    """The JSON of a request's other fields: tools, schemas and stop strings are texts, settings are not.

    >>> kept_options('{"temperature":0.5,"user":"ann","tools":[]}', "none")
    '{"temperature":0.5}'
    """
    if not options or policy in (FULL, REDACTED):
        return kept_text(options, policy)
    kept: dict[str, object] = _settings(options)
    if policy == HASH:
        kept["sha256"] = hashed(options).removeprefix(_HASHED)
    return orjson.dumps(kept).decode() if kept else ""


def kept_usage(usage: str, policy: str) -> str:
    """A provider's usage: it is priced under every policy, so its numbers and its words stay."""
    if not usage or policy == FULL:
        return usage
    try:
        told = json.loads(usage)
    except (ValueError, RecursionError):
        return ""
    kept = _counted(told, 0)
    return usage if kept == told else json.dumps(kept)


def kept_embedding(embedding: Sequence[float], policy: str) -> Sequence[float]:
    """The caller's vector of a text.

    Texts can be told from their vectors (Morris et al. 2023, "Text Embeddings Reveal (Almost) As
    Much As Text"), and the caller's was made of the text as it was.
    """
    return embedding if policy == FULL else ()


def hashed(text: str) -> str:
    """The SHA-256 of a text, named as such."""
    return f"{_HASHED}{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _settings(options: str) -> dict[str, object]:
    try:
        told = orjson.loads(options)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(told, dict):
        return {}
    return {name: value for name, value in told.items() if _is_setting(name, value)}


def _is_setting(name: str, value: object) -> bool:
    if isinstance(value, str):
        return value in _WORDS.get(name, ())
    return name in _NUMBERS and isinstance(value, bool | int | float)


def _counted(value: object, depth: int) -> object:
    """The usage without strings that are longer than a word, and without what is nested too deep."""
    if depth > _MAX_USAGE_DEPTH:
        return None
    match value:
        case str():
            return value if _WORD.fullmatch(value) else ""
        case list():
            return [_counted(item, depth + 1) for item in value]
        case dict():
            named = ((key, item) for key, item in value.items() if _WORD.fullmatch(key))
            return {key: _counted(item, depth + 1) for key, item in named}
        case _:
            return value


_HASHED = "sha256:"
# One word, and ids like UUIDs: by chance some of them hold digits that look like personal data.
_IMPERSONAL = re.compile(r"[a-z_]{0,20}|(?=[0-9-]*[a-f])[0-9a-f-]{32,36}")
_MAX_USAGE_DEPTH = 16
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NUMBERS = frozenset(
    {
        *(
            "best_of",
            "dimensions",
            "echo",
            "frequency_penalty",
            "logprobs",
            "max_completion_tokens",
        ),
        *("max_output_tokens", "max_tokens", "max_tool_calls", "n", "parallel_tool_calls"),
        *("presence_penalty", "repetition_penalty", "seed", "store", "temperature", "top_k"),
        *("top_logprobs", "top_p"),
    }
)
_WORDS: Mapping[str, frozenset[str]] = {
    "encoding_format": frozenset({"float", "base64"}),
    "reasoning_effort": frozenset({"none", "minimal", "low", "medium", "high", "xhigh"}),
    "service_tier": frozenset({"auto", "default", "flex", "priority", "scale", "standard_only"}),
    "tool_choice": frozenset({"auto", "none", "required", "any"}),
    "verbosity": frozenset({"low", "medium", "high"}),
}
