"""Evaluation: judges answers as they pass, by small deterministic evaluators.

In        interaction.completed.v1 (answers that ended well, of kinds with text, full or redacted)
Out       interaction.scored.v1
Owns      nothing
Answers   nobody
Once      a score's event id is derived from interaction, evaluator and version, so a repeat is the same fact
Settings  LEEWAY_EVALUATION_
"""
