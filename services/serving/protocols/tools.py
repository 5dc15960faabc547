"""What a chat says of its tools."""

from collections.abc import Iterable

from services.serving.domain.body import JsonObject


def tool_fields(tools: Iterable[JsonObject], choice: object, parallel: object) -> JsonObject:
    """A chat's fields about tools, from its functions, which must be called and whether several at once.

    Without tools a choice that asks for none changes nothing, and OpenAI refuses it: it is left out.

    >>> tool_fields([], "auto", False), tool_fields([], "required", None)
    ({}, {'tool_choice': 'required'})
    """
    given = list(tools)
    idle = not given and choice in (None, "auto", "none")
    fields = {
        "tools": given or None,
        "tool_choice": None if idle else choice,
        "parallel_tool_calls": parallel if given else None,
    }
    return {name: value for name, value in fields.items() if value is not None}
