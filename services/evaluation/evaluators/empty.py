"""Empty: an answer that says nothing and calls no tool."""

from services.evaluation.domain import Interaction, Judgement


class Empty:
    """`value` is 1 for an empty answer. A refusal to speak by calling a tool is no silence.

    Abstains on a text that was not recorded: only the recorded answer, or a count of no tokens, says
    that there was none.
    """

    name = "empty"
    version = "2"

    def judge(self, interaction: Interaction) -> Judgement | None:
        if interaction.calls_tools:
            return None
        if interaction.output_text.strip():
            return Judgement(0.0, "text", passed=True)
        silent = interaction.text_known or interaction.output_tokens == 0
        return Judgement(1.0, "empty", passed=False) if silent else None
