"""OpenAI's client, through Leeway or watched by it. It needs `pip install leeway-sdk[openai]`.

from leeway.openai import OpenAI, observe

client = OpenAI()                  # through the gateway: drop-in, with session, user and trace
direct = observe(openai.OpenAI())  # straight to the provider: recorded, unchanged
"""

from __future__ import annotations

from leeway.identity import interaction_id
from leeway.openai.gateway import AsyncOpenAI, OpenAI
from leeway.openai.observation import observe

__all__ = ["AsyncOpenAI", "OpenAI", "interaction_id", "observe"]
