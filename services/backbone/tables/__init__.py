"""A group whose states are a table of Faust: the log's ports over a Faust app, for states that can be recomputed.

Faust shares a group's partitions out, fetches, restores the table from its changelog before the first record,
and commits the offsets of what was acknowledged. Its one agent lets no exception leave its loop (Faust would take
the message for done) and writes no table: it hands batches over to the same `Consumer` that runs every
group, which drops repeats, sees losses, retries, and finds the poison.

Faust cannot store states and tell facts in one transaction. So the effect of a batch is first written down whole
(`journal`), and behind it, in the same partition of the changelog, the position after the batch: with that message
the batch takes effect. Then it is done: states get their own keys, facts and dead letters go to their topics, and
the records are acknowledged. A process that is killed before the position leaves nothing that anybody reads, and
the records come again. One that is killed behind it is followed by one that does all of it once more: states are the
same values, and facts have the same numbers (producer, epoch, seq), so that every reader drops what it has.

Guaranteed, whatever is killed: no record is lost or handled twice, and readers of the log see each fact once.
Not guaranteed, and so nothing for what money or storage depends on: that a process which was frozen for longer than
its session, while another took its partitions over, writes nothing when it wakes. Nothing fences it, as transactions
do in `shared/log/kafka`. The numbers of its facts would be those of the other's, and readers drop them or, if it was
first, the other's; and a state that it writes is of a batch that the other handled too, until the other's next
batch replaces it. That is why only states go here that can be made again from the facts.
"""
