"""Feedback: what people, programs and life say about an interaction, now or months later.

In        HTTP POST /v1/feedback, one item or a batch; registry.changed.v1
Out       feedback.received.v1
Owns      nothing but its outbox
Answers   200 after the facts are stored, with a verdict for each item
Once      an item's id is its event id, so an item sent again is the same fact; with other content it is a
          conflict, and refused
Settings  LEEWAY_FEEDBACK_
"""
