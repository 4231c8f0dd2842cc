"""The real processor, restore and state code on a model of Kafka and Redis, in virtual time.

`clockwork` is the scheduler, `kafka` the brokers, `groups` the group coordinator, `clients` the
ports' adapters onto them, `redis` the store, `processes` the dispatchers, `world` a whole run,
`faults` what goes wrong in it, `checks` what must hold after every step. A run is a function of its
seed: `python -m tests.simulation --seed N` does it again, with its trace.
"""
