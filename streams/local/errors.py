"""What can go wrong with the local stack, said so that a person knows what to do next."""


class LocalStackError(Exception):
    """A part of the local stack is missing or does not start; the message says what to do."""
