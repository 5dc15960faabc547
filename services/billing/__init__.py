"""Billing: what every interaction used and what it cost, exactly, or a named reason for not knowing.

In        interaction.completed.v1
Out       usage.rated.v1
Owns      nothing: the ledger is the topic, and what the warehouse keeps of it
Answers   nobody
Once      a rating's event id is derived from the interaction's, so a repeat is the same fact
Settings  LEEWAY_BILLING_
"""
