"""What a process stands on: where its facts go, what its groups read, and how it learns what is live.

`embedded` is a folder of outboxes that all processes of a machine read; `cluster` is Kafka, and the
registry asked over gRPC. Services see neither: they are built on the `Host` that either makes.
"""
