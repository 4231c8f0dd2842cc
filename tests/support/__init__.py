"""What the tests share.

On a real Kafka and Redis: ``records`` (whole topics), ``publisher`` (events in), ``dispatchers``
(processes that can be killed) and ``held`` (one that stands still at a chosen call),
``installation`` (all of it under a name of its own), ``expected`` (what the literal reference
decides about the same input), ``oracle`` and ``copies`` (is what came out right?), ``traffic``,
``bad_events`` and ``bench`` (what goes in).
"""
