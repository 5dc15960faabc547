"""OpenAI's shapes: every detail is a subset of its side, and the total is the sum of the sides.

Read in openai 3.54 `types/completion_usage.py`, `types/responses/response_usage.py`,
`types/realtime/realtime_response_usage.py`, `types/audio/transcription.py` and
`types/create_embedding_response.py`.
"""

from shared.prices.usage.counts import Counts, Metered, Quantity, disjoint, require, require_total


def chat(usage: Counts) -> Metered:
    """Chat completions and embeddings: `prompt_tokens`, `completion_tokens`."""
    prompt = usage.required("prompt_tokens")
    completion = usage.count("completion_tokens")
    require_total(usage.given("total_tokens"), prompt + completion)
    return Metered(
        input_classes(prompt, usage.part("prompt_tokens_details"))
        | output_classes(completion, usage.part("completion_tokens_details"))
    )


def responses(usage: Counts) -> Metered:
    """The Responses, Images and Transcription shape: `input_tokens`, `output_tokens`."""
    tokens_in, tokens_out = usage.required("input_tokens"), usage.count("output_tokens")
    require_total(usage.given("total_tokens"), tokens_in + tokens_out)
    return Metered(
        input_classes(tokens_in, usage.part("input_tokens_details", "input_token_details"))
        | output_classes(tokens_out, usage.part("output_tokens_details", "output_token_details"))
    )


def realtime(usage: Counts) -> Metered:
    """Realtime: as Responses, and the modalities of each side that is broken down add up to it."""
    for side in ("input", "output"):
        details = usage.part(f"{side}_token_details", f"{side}_tokens_details")
        parts = [name for name in _MODALITIES if name in details]
        whole = usage.count(f"{side}_tokens")
        require(not parts or sum(map(details.count, parts)) == whole, "modality_mismatch")
    return responses(usage)


def duration(usage: Counts) -> Metered:
    """Transcription billed by time: `seconds`, a decimal."""
    seconds = usage.quantity("seconds")
    require(seconds is not None, "missing_count:seconds")
    return Metered(disjoint([("audio_seconds", seconds or 0)]))


def any_shape(usage: Counts) -> Metered:
    """Whichever of OpenAI's shapes it is, told by the names of its members."""
    if usage.text("type") == "duration":
        return duration(usage)
    return responses(usage) if "input_tokens" in usage else chat(usage)


def input_classes(whole: int, details: Counts) -> dict[str, Quantity]:
    """The input side: cached, written, audio and image tokens are subsets of it; the rest is fresh.

    `cached_tokens_details` splits the cached tokens by modality; without it they are text.
    """
    cached, split = details.count("cached_tokens"), details.part("cached_tokens_details")
    parts = [name for name in _MODALITIES if name in split]
    require(not parts or sum(map(split.count, parts)) == cached, "cache_split_mismatch")
    audio, image = details.count("audio_tokens"), details.count("image_tokens")
    require(details.count("text_tokens") + audio + image <= whole, "subset_exceeds_parent")
    cached_audio, cached_image = split.count("audio_tokens"), split.count("image_tokens")
    cached_text = cached - cached_audio - cached_image
    writes = _cache_writes(details)
    return disjoint(
        [
            ("fresh_input", whole - audio - image - cached_text - sum(writes.values())),
            ("cache_read", cached_text),
            *writes.items(),
            ("audio_in", audio - cached_audio),
            ("cache_read_audio", cached_audio),
            ("image_in", image - cached_image),
            ("cache_read_image", cached_image),
        ]
    )


def output_classes(whole: int, details: Counts) -> dict[str, Quantity]:
    """The output side: reasoning and audio are subsets of it.

    Predicted tokens, the rejected ones too, are inside the whole and billed as output.
    """
    predicted = details.count("accepted_prediction_tokens") + details.count(
        "rejected_prediction_tokens"
    )
    audio, image = details.count("audio_tokens"), details.count("image_tokens")
    reasoning = details.count("reasoning_tokens")
    require(predicted <= whole, "subset_exceeds_parent")
    require(details.count("text_tokens") + audio + image <= whole, "subset_exceeds_parent")
    return disjoint(
        [
            ("output", whole - reasoning - audio - image),
            ("reasoning", reasoning),
            ("audio_out", audio),
            ("image_out", image),
        ]
    )


def _cache_writes(details: Counts) -> dict[str, int]:
    written, ttl = details.count("cache_write_tokens"), details.part("cache_write_tokens_details")
    if "ttl_30m_tokens" not in ttl and "ttl_12h_tokens" not in ttl:
        return {"cache_write_30m": written}
    short, long = ttl.count("ttl_30m_tokens"), ttl.count("ttl_12h_tokens")
    require(short + long == written, "cache_write_breakdown_mismatch")
    return {"cache_write_30m": short, "cache_write_12h": long}


_MODALITIES = ("text_tokens", "audio_tokens", "image_tokens")
