"""Weeks of a team that never was, for people to look at: drawn from a seed, decided for real.

Follow the data: a plan, or a story → events (`plan`, `stories`) → decided by the code that decides
on Kafka (`streams.whatif.course`) → figures (`report`) → plots (`pictures`). Nothing here does I/O
but `pictures`, and nothing looks at a clock.
"""
