"""The read side: who received what, where everybody stands, and why, over HTTP.

In: `dispatch.decisions` and `leads.assignments`, read committed; dead letters. Out: JSON (see
`openapi`). `partidor views` runs it, as a process of its own with the extra `views` (Faust). It
writes nothing to Kafka but its membership of the consumer group `<application id>-views`; several
processes share the partitions.

Follow the data. Decisions: bytes -> `transport` (Faust's consumer, made to read what is committed)
-> `partitions` (what this process has counted, and how far) -> `decisions` (read) -> `folding`
(pure) -> `standings`, `activity`, `delays` (values) -> `keeping`, `decision_archive` (disk).
Assignments: `topic_follower` (a thread) -> `leads` -> `lead_archive` (disk). Dead letters: the same
-> `refusals` (counts). `reading` holds all three together. Questions: `web` -> `answers` ->
`documents`, `lead_questions`, `operations`; `answers_port` is what can be asked. `app` puts it
together; `settings` and `credentials` are what they say.

Why there is no Faust table. A table writes every new value to a changelog topic of its own and
reads that back at start; here it would be the channel with all members, for every decision, and
two positions (the table's and the group's committed one) that a crash leaves apart. The decisions
already are such a log: folding them again gives the same standings, exactly, and `state_version`
tells what was folded before. So standings and next offset are kept together, in memory and in one
transaction on disk, and everything that is known to go wrong in Faust 0.15 between transactions,
offsets and recovery has no place here: recovery that waits for an offset that a transaction's
marker took, commits that stop at such gaps, records dropped in a rebalance. What a file has lost is
read again from Kafka. Decisions are kept for 90 days; the totals of a channel that is older are
counted from the first decision that is left (`counted_from` says so), unless a file carried them
over.

Why assignments don't come through Faust's streams: there is one for each lead, not for each batch,
and nobody needs them one by one (see `topic_follower`).
"""
