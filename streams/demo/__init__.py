"""`partidor demo`: the whole system at work on this machine, shown and checked.

In: how many leads, and a seed. Out: tables for a supervisor on stdout, progress on stderr, and
whether everything that was checked held.

Nothing in here is a shortcut: a real Kafka and a real Redis, the dispatcher and the views as
processes of their own (`processes`), events published as any lead source would, and what came of
them read back as a telephony system, an auditor and an operator would (`reading`, `standings`).

Reading order: `course` (the whole), `processes`, `story` and `stream` (what is played), `reading`
and `standings` (what is read back), `fairness` (what of it is computed and checked; pure),
`tables` (how it is shown), `keeping` (what runs on afterwards); `board` and `working_day` (leads
without an end, for people to watch).
"""
