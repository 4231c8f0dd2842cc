"""Nothing lost, nothing twice: real processes under load, and faults inflicted upon them.

Reading order: ``catalogue`` (what is inflicted: a module for each fault, a function for each
variant), ``run`` (one installation under load, from its start to the verdict), ``load`` (what
is sent), ``watcher`` (what a reader of the outputs sees meanwhile), ``figures`` (lost, duplicated,
stale, waited), ``servers`` (the Kafka and the Redis that are hurt), ``table`` and ``__main__``
(every variant many times: `tests/run faults-table`), ``once`` and the tests (variants as tests).
"""
