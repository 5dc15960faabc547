"""OpenAI's Responses: read, asked as a chat, and answered in its own items and events."""
