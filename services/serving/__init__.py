"""Serving: the gateway that every model call passes; recorded before it answers, priced as it answers.

In      HTTP: POST /v1/chat/completions, POST /v1/embeddings, GET /v1/models
Out     interaction.completed.v1
Owns    the open calls of its process's outbox
Answers a call once it is stored: a kill leaves it open, and the next start records it as interrupted
Settings LEEWAY_SERVING_
"""
