"""The log over Apache Kafka: the ports of the embedded log, for processes that share no disk.

Facts go to the outbox of their process as ever; a relay (`relay`) forwards it. It sends a partition's
records as explicit batches, one at a time, and moves on when the broker acknowledged (acks=all, idempotent):
after an error it makes a new producer and sends again from the first record that was not acknowledged, so
a partition holds each lane without a hole, and what came twice has a `seq` that consumers have seen. The broker
may remember more than the outbox: a loss of power takes the tail of a file that is not synced with every commit. So
the file begins a new epoch after each life that was not closed; of lanes, readers keep the latest (`stored`).
What the disk has damaged goes on as a dead letter of the relay's.

A group's members (`group`) share partitions; partition number p of all its topics belongs to one member, who
holds the *seat* p (`seat`). The effect of a batch (facts, dead letters, states) and the position behind it,
with the last `seq` of every lane, are one Kafka transaction into their topics and into partition p of the
compacted topic `leeway.<group>.state`; whoever takes the seat next reads them there. The producer of a seat
has the transactional id `leeway.<group>.<p>`, so taking a seat ends what the last holder had open and fences
it: a process that was frozen and wakes can neither repeat an effect nor move a position. What a group makes
is numbered by its seat, from one holder to the next, so its readers see losses and repeats too.
After the effect the offset is committed to Kafka, where it tells lag; the position in the state topic rules.

A sink that writes elsewhere (`exact_batches`) has the boundaries of a batch committed as metadata of the
unmoved offsets first (fenced by the group's generation). Whoever holds the seat next finds them there, reads
exactly that batch again, and the store drops it by its token.

A source is `topic/topic id/partition`: a topic that was made anew is another source, read from its start, and
the seqs of the old one go on counting, so that what was lost with it is reported.

Guaranteed, whatever is killed or frozen: no accepted fact is lost while its outbox's disk and the brokers'
quorum live; a group's facts, states and positions take effect once. Not guaranteed: that work outside the effect is done
once (a handler's own writes must be idempotent on the event id), that one tenant's states are seen by the holder of another partition
(a handler's state must belong to its tenants), nor order between topics or tenants.
"""
