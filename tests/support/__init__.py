"""What the tests on a real Kafka and Redis share: an installation of their own, and the oracle.

Reading order: ``records`` (whole topics), ``publisher`` (events in), ``dispatchers`` (processes
that can be killed), ``installation`` (all of it under a name of its own), ``expected`` (what the
literal reference decides about the same input), ``oracle`` (is what came out right?).
"""
