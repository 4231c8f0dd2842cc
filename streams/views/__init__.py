"""The read side: each channel's standings, from the decisions, over HTTP.

In: `dispatch.decisions`, read committed. Out: JSON (see `web`). `partidor views` runs it, as a
process of its own with the extra `views` (Faust). It writes nothing to Kafka but its membership
of the consumer group `<application id>-views`; several processes share the partitions.

Follow the data: bytes -> `transport` (Faust's consumer, made to read what is committed) ->
`partitions` (what this process has counted, and how far) -> `decisions` (read) -> `standings`
(fold: pure) -> `documents` -> `web`. `app` puts it together; `snapshots` makes starts fast;
`settings` and `credentials` are what they say.

Why there is no Faust table. A table writes every new value to a changelog topic of its own and
reads that back at start; here it would be the channel with all members, for every decision, and
two positions (the table's and the group's committed one) that a crash leaves apart. The decisions
already are such a log: folding them again gives the same standings, exactly, and `state_version`
tells what was folded before. So standings and next offset are kept together in memory and in
snapshots, and everything that is known to go wrong in Faust 0.15 between transactions, offsets and
recovery has no place here: recovery that waits for an offset that a transaction's marker took,
commits that stop at such gaps, records dropped in a rebalance. What a snapshot has lost is read
again from Kafka. Decisions are kept for 90 days; the totals of a channel that is older are counted
from the first decision that is left (`counted_from` says so), unless a snapshot carried them over.
"""
