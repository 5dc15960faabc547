"""What credentials look like: keys by the prefix of who made them, tokens, private keys, and what a name gives away."""

import math
import re
from collections import Counter

from shared.pii.rules import Kind, Rule, Span, named

MIN_ENTROPY = (
    3.3  # bits a character: words of a language have 2 to 3, random base 62 of 20 has about 4
)

_TOKENS = (
    r"sk-[A-Za-z0-9_-]{20,200}",  # OpenAI, Anthropic, OpenRouter, DeepSeek and their likes
    r"lk_[A-Za-z0-9-]{1,32}_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{20,64}",  # Leeway
    r"(?:gsk_|xai-|pplx-|r8_|fw_)[A-Za-z0-9]{32,128}",  # Groq, xAI, Perplexity, Replicate, Fireworks
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,128}",  # Stripe
    r"gh[pousr]_[A-Za-z0-9]{36,251}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,244}",
    r"glpat-[A-Za-z0-9_-]{20,64}",  # GitLab
    r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,200}",  # Slack
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"GOCSPX-[A-Za-z0-9_-]{28}",
    r"ya29\.[A-Za-z0-9_-]{20,250}",
    r"hf_[A-Za-z0-9]{30,64}",  # Hugging Face
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,250}",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}",  # SendGrid
    r"dop_v1_[a-f0-9]{64}",  # DigitalOcean
    r"dapi[a-f0-9]{32}",  # Databricks
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",  # Shopify
    r"hvs\.[A-Za-z0-9_-]{24,250}",  # Vault
    r"lin_api_[A-Za-z0-9]{40}",  # Linear
    r"ntn_[A-Za-z0-9]{40,64}",  # Notion
    r"[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{31,34}",  # Azure, an application's secret
)
# How all of them begin, but the last: it is told by its middle.
PREFIXES = (
    r"[srp]k[-_]|lk_|gsk_|xai-|pplx-|r8_|fw_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|AKIA|ASIA|ABIA|ACCA"
    r"|AIza|GOCSPX-|ya29\.|hf_|npm_|pypi-|SG\.|dop_v1_|dapi|shp[acps]|hvs\.|lin_api_|ntn_"
)
CUES = r"api[_ -]?key|access[_ -]?key|account[_ -]?key|secret[_ -]?key|private[_ -]?key|secret|token|passw(?:or)?d|pwd|credentials?"


def entropy(text: str) -> float:
    """Shannon's entropy of the characters of a text, bits a character.

    >>> entropy("abab"), entropy("")
    (1.0, 0.0)
    """
    shares = [count / len(text) for count in Counter(text).values()]
    return math.fsum(-share * math.log2(share) for share in shares)


def _random(match: re.Match[str]) -> Span | None:
    data = match["data"]
    mixed = any(map(str.isdigit, data)) and any(map(str.isalpha, data))
    return match.span("data") if mixed and entropy(data) >= MIN_ENTROPY else None


SECRETS: tuple[Rule, ...] = (
    Rule(
        Kind.SECRET,
        rf"(?:{PREFIXES})[A-Za-z0-9_-]{{10}}|8Q~",
        re.compile(rf"(?<![A-Za-z0-9_-])(?:{'|'.join(_TOKENS)})(?![A-Za-z0-9])"),
        width=340,
    ),
    Rule(
        Kind.SECRET,  # a JSON Web Token (RFC 7519), signed or not
        r"eyJ[A-Za-z0-9_-]{8,}\.eyJ",
        re.compile(
            r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,2048}+\.eyJ[A-Za-z0-9_-]{8,8192}+"
            r"(?:\.[A-Za-z0-9_-]{0,1024}+)?"
        ),
        width=11_300,
    ),
    Rule(
        Kind.SECRET,
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        re.compile(
            r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\\\s]{0,8192}+"
            r"(?:-----END [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        width=8_320,
    ),
    Rule(
        Kind.SECRET,  # the password in a URL
        r"://[^\s/:@]*:[^\s/@]+@",
        re.compile(r"(?<=://)[^\s/:@\"'<>]{0,64}+:(?P<data>[^\s/@\"'<>]{1,128}+)@"),
        named,
        width=200,
    ),
    Rule(
        Kind.SECRET,  # whatever looks random, where the name before it says so
        rf"(?i)(?:{CUES})[\"'\]]{{0,2}}\s{{0,3}}[:=]|bearer\s",
        re.compile(
            rf"(?:(?:{CUES})[\"'\]]{{0,2}}\s{{0,3}}(?:=>|:=|[:=])\s{{0,3}}(?:bearer\s{{1,3}})?|bearer\s{{1,3}})[\"']?"
            r"(?P<data>[A-Za-z0-9+/_=.~-]{16,128}+)(?![A-Za-z0-9])",
            re.IGNORECASE | re.ASCII,
        ),
        _random,
        width=180,
    ),
)
