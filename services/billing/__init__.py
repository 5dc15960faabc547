"""Billing: what every interaction used and what it cost, exactly, or a named reason for not knowing.

In        interaction.completed.v1
Out       usage.rated.v1 (its event id is derived from the interaction's, so a repeat is the same fact)
Owns      which calls the gateway served last; the ledger is the topic, and the warehouse's table of it
Answers   no one yet
Settings  LEEWAY_BILLING_
"""
