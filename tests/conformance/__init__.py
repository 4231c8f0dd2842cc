"""The same tests against the model that the simulation runs on and against the real servers.

`sides` says what a test may ask for, `model_side` and `kafka_side` give it. Each test is a sentence
that is true of both: where one fails on a side alone, the model is wrong, or the adapter is.
"""
