"""Drift: notices when what a model is asked, or how well it answers, stops looking like it did.

In        interaction.completed.v1, feedback.received.v1, interaction.scored.v1
Out       drift.detected.v1, drift.measured.v1, interaction.embedded.v1
Owns      nothing in a database: a baseline, a ring, quoted inputs and open windows per stream are the group's
          state, and a shelf file spares reading them again; it can be lost
Answers   nobody
Once      the state moves with the position, and a record that comes again leads to the same event ids
Settings  LEEWAY_DRIFT_
"""
