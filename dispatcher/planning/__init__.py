"""Who works where, and which loans go to which branch: integer models, solved with HiGHS.

Nothing in here knows the dispatcher, and the dispatcher knows nothing of it: a plan reaches it as
roster events (`streams.planning`). No files, no clock.
"""
