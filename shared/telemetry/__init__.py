"""Traces of the platform's own work, from a request to the insert of its facts; off, they cost nothing.

`tracing` is the port, `otlp` satisfies it with OpenTelemetry's SDK and is loaded only where traces are wanted.
`web` and `log` decorate what is there: an HTTP application, an outbox, a group's handler. Only a sampled request
begins a trace; its facts carry their `traceparent` as a header of their records, and the batches that hold them
link to it. No attribute ever holds what people wrote, a key, or the name of a tenant.
"""
