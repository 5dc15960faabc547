"""Empty: an answer that says nothing and calls no tool."""

from services.evaluation.domain import Interaction, Judgement


class Empty:
    """`value` is 1 for an empty answer. A refusal to speak by calling a tool is no silence."""

    name = "empty"
    version = "1"

    def judge(self, interaction: Interaction) -> Judgement | None:
        if interaction.calls_tools:
            return None
        empty = not interaction.output_text.strip()
        return Judgement(float(empty), "empty" if empty else "text", passed=not empty)
