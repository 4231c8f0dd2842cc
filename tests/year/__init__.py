"""A year of loans on real servers: from a plan to a stream, and back to the plan.

`tests/run year` is `tests.year.__main__`.
"""
