"""Whether a body names a prompt, which may say what the body itself leaves out."""

from services.serving.domain.body import JsonObject

PROMPT_PREFIX = "prompt:"


def names_prompt(tree: JsonObject) -> bool:
    """Whether it does, by its model or by an object `prompt`; the text of a legacy completion is none.

    >>> names_prompt({"model": "prompt:greeting"}), names_prompt({"prompt": {"id": "greeting"}})
    (True, True)
    >>> names_prompt({"model": "gpt", "prompt": "Once upon a time"})
    False
    """
    model = tree.get("model")
    named = isinstance(model, str) and model.startswith(PROMPT_PREFIX)
    return named or isinstance(tree.get("prompt"), dict)
