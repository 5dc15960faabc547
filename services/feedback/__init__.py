"""Feedback: what people, programs and life say about an interaction, now or months later.

In      HTTP POST /v1/feedback, one item or a batch
Out     feedback.received.v1 (an item sent again has the same event id)
Owns    nothing but its outbox
Answers 200 after the facts are stored, with a verdict for each item; prefix LEEWAY_FEEDBACK_
"""
