"""Anthropic's Messages: read, asked as a chat, and answered in its own blocks and events."""
