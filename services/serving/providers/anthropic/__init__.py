"""An upstream that speaks Anthropic's Messages protocol, asked and answering in OpenAI's chat shape.

Shapes as in anthropic 2.12 (`types/message_create_params.py`, `types/raw_message_stream_event.py`).
"""
