"""OpenAI's first completions: read, asked as a chat, and answered as text."""
