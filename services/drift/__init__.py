"""Drift: notices when what a model is asked, or how well it answers, stops looking like it did.

In      interaction.completed.v1, feedback.received.v1, interaction.scored.v1
Out     drift.detected.v1, interaction.embedded.v1
Owns    the group's state: a baseline, a ring and quoted inputs per stream; a shelf file that can be lost
Answers nothing; asks ClickHouse where old interactions ran; a replayed record leads to the same event ids
Settings LEEWAY_DRIFT_
"""
