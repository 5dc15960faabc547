"""Length: whether an answer was cut off, or is longer than was asked for."""

from services.evaluation.domain import Interaction, Judgement

_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "incomplete"})
# Providers count a token or two differently from their own limit.
_TOLERANCE_TOKENS = 2


class Length:
    """`value` is the share of the allowed tokens that was used, at most 1.

    Labels: `within` the limit; `cut` at it; `starved`, cut off long before it (the context was
    full); `over` it. It reads counts and never the text. Abstains when there is neither a limit nor a
    reason why the answer ended.
    """

    name = "length"
    version = "1"

    def judge(self, interaction: Interaction) -> Judgement | None:
        limit, used = _limit(interaction), interaction.output_tokens
        cut = not _CUT.isdisjoint(interaction.finish_reasons)
        if not interaction.finish_reasons and (limit is None or used is None):
            return None
        label = _label(limit, used, cut=cut)
        share = 1.0 if cut else 0.0
        if limit is not None and used is not None:
            share = min(1.0, used / limit)
        told = f"{used} tokens of at most {limit}" if limit is not None else "no limit was set"
        return Judgement(share, label, passed=label == "within", explanation=told)


def _label(limit: int | None, used: int | None, *, cut: bool) -> str:
    if limit is None or used is None:
        return "cut" if cut else "within"
    if used > limit + _TOLERANCE_TOKENS:
        return "over"
    if not cut:
        return "within"
    return "cut" if used >= limit - _TOLERANCE_TOKENS else "starved"


def _limit(interaction: Interaction) -> int | None:
    limits = (interaction.options.get(name) for name in _LIMITS)
    return next((n for n in limits if type(n) is int and n > 0), None)
