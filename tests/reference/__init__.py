"""The second opinion: the method done literally, step by step, in exact fractions.

Nothing here imports the production packages, and nothing here is fast. It exists so that
the tests can compare the dispatcher with something that can be read next to the description
of the method and checked by eye. Standard library only.

Reading order: ``arithmetic`` (who gets how many, in which order), ``promise`` (how far from
their share anyone may be, and why), ``validation`` (what is refused), ``state`` (what a roster
change does), ``replayer`` (events in, outputs out). For tests: ``events`` (by hand), ``histories``
(at random, with ``roster_writer`` and ``spoiled``), ``comparison`` (are two outputs the same?).
"""
