"""Serving: the gateway that every model call passes; recorded before it answers, priced as it answers.

In        HTTP POST /v1/chat/completions, POST /v1/completions, POST /v1/responses, POST /v1/messages, POST /v1/embeddings,
          POST /v1/images/, /v1/audio/, /v1/moderations; /v1/files, /v1/batches; GET /v1/models, GET /v1/health;
          operators' /v1/serving/; registry.changed.v1
Out       interaction.completed.v1; interaction.scored.v1, the verdicts of guards
Owns      its outbox, with the calls that are open in it; what its workers share: limits, idempotency, answers
Answers   a call once it is stored: a kill leaves it open, and the next start records it as interrupted
Once      a call's id is its event id, and closing it and its fact are one transaction
Settings  LEEWAY_SERVING_
"""
