"""Prompt injection by its phrases: a signal with a stated rate of misses, never a wall."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import re2

from services.serving.guards.options import read_options
from services.serving.guards.port import Opinion, Options

DEFAULT_THRESHOLD = 0.6


@dataclass(frozen=True, slots=True)
class Phrase:
    """A way of attacking: its name, how sure it alone makes (0 to 1), and its pattern (RE2, lower-case text)."""

    name: str
    weight: float
    pattern: str


_BEFORE = r"(?:previous|prior|preceding|earlier|above|foregoing|initial|original|existing|past|old|current)"
_ORDERS = r"(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|orders|programming|context|constraints?|messages?)"
_DROP = r"(?:ignore|disregard|forget|override|overrule|bypass|neglect|discard|dismiss|drop|erase|do not follow|don't follow|stop following)"
_ANY = r"(?:\W+\w+){0,4}?\W+"
_HIDDEN_TEXT = r"(?:system prompts?|system messages?|initial prompts?|hidden prompts?|developer messages?|secret instructions|(?:your|the (?:full|exact|original|initial|hidden|secret|whole)) (?:full |exact |original |initial |hidden |secret |whole )*(?:instructions|prompt|guidelines|rules))"

# Where each kind is described: ignoring and leaking, Perez & Ribeiro 2022, "Ignore Previous Prompt: Attack
# Techniques For Language Models" (arXiv 2211.09527); orders in documents and answers of tools, Greshake et al.
# 2023, "Not what you've signed up for" (2302.12173); separators and forged turns, Liu et al. 2023, "Prompt
# Injection attack against LLM-integrated Applications" (2306.05499); roles without rules, Shen et al. 2023, "Do
# Anything Now" (2308.03825); competing objectives, Wei et al. 2023, "Jailbroken" (2307.02483); the whole,
# OWASP LLM01:2025. The German, French and Spanish phrases are translations of the first kind.
PHRASES: tuple[Phrase, ...] = (
    Phrase("ignore", 0.8, rf"\b{_DROP}\b{_ANY}{_BEFORE}{_ANY}{_ORDERS}\b"),
    Phrase("ignore", 0.8, rf"\b{_DROP}\b\W+(?:\w+\W+){{0,3}}?{_BEFORE}\W+{_ORDERS}\b"),
    Phrase(
        "ignore",
        0.7,
        rf"\b{_DROP}\W+(?:all|any|every|everything|each)?\W*(?:of )?(?:the|your|these|those|its)\W+(?:\w+\W+){{0,2}}?{_ORDERS}\b",
    ),
    Phrase(
        "ignore",
        0.7,
        r"\b(?:ignore|disregard|forget)\W+(?:all|everything)\W+(?:that |you |i |we |was |were |been |have |had |ve )*(?:said|told|above|before|learned|know|instructed|written)",
    ),
    Phrase(
        "ignore",
        0.7,
        r"\b(?:vergiss|ignoriere|missachte)\b(?:\W+\w+){0,3}\W+(?:anweisungen|vorgaben|regeln|instruktionen|befehle)",
    ),
    Phrase(
        "ignore",
        0.7,
        r"\b(?:ignore[zr]?|oublie[zr]?)\b(?:\W+\w+){0,4}\W+(?:instructions|consignes|r.gles|directives)\b(?:\W+\w+){0,2}\W*(?:pr.c.dentes|ant.rieures|ci-dessus|initiales)",
    ),
    Phrase(
        "ignore",
        0.7,
        r"\b(?:ignora|olvida|omite)\b(?:\W+\w+){0,4}\W+(?:instrucciones|reglas|.rdenes|indicaciones)\b",
    ),
    Phrase(
        "leak",
        0.7,
        rf"\b(?:reveal|show|print|output|display|repeat|leak|expose|disclose|dump|recite|tell me|give me|write out|what (?:is|are|was|were))\b(?:\W+\w+){{0,5}}?\W+{_HIDDEN_TEXT}",
    ),
    Phrase(
        "leak",
        0.7,
        r"\b(?:repeat|print|output|copy|recite|summari[sz]e)\b(?:\W+\w+){0,4}?\W+(?:words|everything|all(?: of)?(?: the)? (?:text|content)|(?:text|content)\W+above\W+(?:verbatim|starting|beginning|word|exactly))\b(?:(?:\W+\w+){0,2}?\W+(?:above|before this|preceding))?",
    ),
    Phrase("leak", 0.6, r"\b(?:starting|beginning) with (?:the words )?\W{0,3}you are\b"),
    Phrase(
        "role",
        0.7,
        r"\byou(?:'re| are) (?:now|no longer|going to (?:be|act as|pretend))\b(?:\W+\w+){0,8}?\W+(?:unrestricted|unfiltered|uncensored|jailbroken|without (?:any )?(?:restrictions|rules|limits|filters|limitations)|no (?:restrictions|rules|limits|filters)|evil|amoral|dan|bound|ai assistant|chatbot)\b",
    ),
    Phrase(
        "role",
        0.65,
        r"\b(?:act|behave|respond|answer|pretend|roleplay|role-play)\b(?:\W+\w+){0,8}?\W+(?:no|without|free of|not bound by)\W+(?:\w+\W+){0,3}?(?:restrictions?|rules?|limits?|limitations?|filters?|guidelines?|ethics|morals?|censorship|constraints?|polic(?:y|ies))\b",
    ),
    Phrase(
        "role",
        0.8,
        r"\b(?:do anything now|dan mode|developer mode (?:enabled|on|activated)|jailbreak mode|god mode (?:enabled|on|activated)|stan mode|evil mode|aim mode)\b",
    ),
    Phrase(
        "role",
        0.6,
        r"\bpretend\b(?:\W+\w+){0,4}?\W+(?:you have|to have|there are|you are) no (?:rules|restrictions|limits|guidelines|filters)",
    ),
    Phrase(
        "safety",
        0.65,
        r"\b(?:disable|turn off|switch off|bypass|remove|deactivate|circumvent|evade)\b(?:\W+\w+){0,2}?\W+(?:your|its|all|any|the (?:ai|model|assistant|bot)\W?s?)\W+(?:\w+\W+){0,2}?(?:safety|safeguards?|guardrails?|content (?:filters?|polic(?:y|ies))|moderation|censorship|ethic\w*|filters?|restrictions?)\b",
    ),
    Phrase(
        "safety",
        0.6,
        r"\b(?:never|do not|don't|cannot|can't)\W+(?:\w+\W+){0,3}?(?:refuse|say (?:no|you can't|sorry)|apologi[sz]e|decline|warn)\b(?:.{0,80})\b(?:any|every|all|whatever|answer|comply|response)",
    ),
    Phrase(
        "turn",
        0.8,
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|begin_of_text)\|>|\[/?inst\]|<</?sys>>|<start_of_turn>",
    ),
    Phrase(
        "turn",
        0.6,
        r"(?:^|\n)\s*(?:#{2,}|={3,}|-{3,}|\*{3,}|\[)\s*(?:new |updated? |admin |end of )?(?:system|developer|admin(?:istrator)?|instructions?|system (?:prompt|message|override|update|note|instructions?))\b\W{0,4}(?:$|\n|:|\]|override|update)",
    ),
    Phrase(
        "turn",
        0.65,
        r"\b(?:system|admin(?:istrator)?|developer|root)\W{0,3}(?:override|overwrite|command|notice|alert)\b\W{0,3}(?::|\]|-|accepted|activated|engaged|enabled)",
    ),
    Phrase(
        "turn",
        0.65,
        rf"\b(?:new|updated|real|actual|true|revised|important)\W+(?:system )?{_ORDERS}\W*(?::|from (?:the |your )?(?:developer|admin|owner|creator|system|openai|anthropic))",
    ),
    Phrase(
        "turn",
        0.6,
        r"</?(?:system|system_prompt|instructions?|admin|developer|untrusted|document|context)>\s*(?:\W*\w+){0,6}\W*(?:ignore|instead|now|system|you (?:must|are|will)|override|new)",
    ),
    Phrase(
        "tool",
        0.65,
        r"\b(?:attention|note|message|important|instructions?)\W+(?:to|for)\W+(?:the |all |any )?(?:ai|llm|assistant|assistants|language model|chatbot|agent|agents|bot)s?\b",
    ),
    Phrase(
        "tool",
        0.65,
        r"\b(?:if you are|as) an? (?:ai|llm|assistant|language model|ai agent|automated agent|ai assistant)\b.{0,80}\b(?:must|please|should|you will|then)\b.{0,60}\b(?:send|forward|email|call|click|visit|execute|run|delete|transfer|say|recommend|rate|include|output|add|approve)",
    ),
    Phrase(
        "tool",
        0.6,
        r"\b(?:do not|don't|never|without) (?:tell|inform|mention|telling|informing|mentioning|alert|alerting|notify|notifying|reveal)\b(?:\W+\w+){0,3}?\W+(?:the )?(?:user|human|operator|anyone|them|this)\b",
    ),
    Phrase(
        "tool",
        0.65,
        r"\b(?:send|forward|post|upload|exfiltrate|transmit|leak|email|append)\b(?:\W+\w+){0,8}?\W+(?:conversation|chat history|api keys?|credentials|passwords?|system prompt|secrets|environment variables|private data|personal data|session tokens?)\b(?:\W+\w+){0,4}?\W+(?:to|at|via|into)\b",
    ),
    Phrase(
        "tool",
        0.6,
        r"!\[[^\]]{0,80}\]\(https?://[^)\s]{1,200}[?&][^)\s=]{1,40}=\s*(?:\{|%7b|<|\[|\$)",
    ),
    Phrase(
        "encoded",
        0.6,
        r"\b(?:decode|decrypt|un-?base64|rot13|from base64|base64-decode)\b(?:\W+\w+){0,8}?\W+(?:and|then)\W+(?:\w+\W+){0,2}?(?:execute|follow|obey|run|do|comply|answer|respond|carry out)\b",
    ),
)


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = DEFAULT_THRESHOLD


class PromptInjection:
    """`prompt_injection`: the phrases of published attacks, in what users and tools say.

    Phrases of one kind count once; the score is the chance that none of the kinds that were found is
    meant, taken away from one: `1 - product(1 - weight)`. Option: `threshold`, from which it objects.
    """

    def __init__(self, options: Options) -> None:
        self._threshold = read_options("prompt_injection", options, _Options).threshold
        self._phrases = re2.Set.SearchSet()
        for phrase in PHRASES:
            self._phrases.Add(f"(?is){phrase.pattern}")
        self._phrases.Compile()

    def judge(self, text: str) -> Opinion | None:
        found = self._phrases.Match(text.encode("utf-8", "replace"))
        if not found:
            return None
        score = certainty([PHRASES[place] for place in found])
        if score < self._threshold:
            return None
        kinds = sorted({PHRASES[place].name for place in found})
        return Opinion("injection", round(score, 3), ", ".join(kinds))


def certainty(phrases: Sequence[Phrase]) -> float:
    """How sure some phrases make together."""
    weights: dict[str, float] = {}
    for phrase in phrases:
        weights[phrase.name] = max(phrase.weight, weights.get(phrase.name, 0.0))
    return 1.0 - math.prod(1.0 - weight for weight in weights.values())
