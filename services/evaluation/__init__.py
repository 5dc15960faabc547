"""Evaluation: judges answers as they pass, by small deterministic evaluators.

In      interaction.completed.v1 (answers that ended well, of kinds with text, full or redacted)
Out     interaction.scored.v1 (the event id is derived from interaction, evaluator and version)
Owns    nothing but its position
Answers nobody; settings prefix LEEWAY_EVALUATION_
"""
