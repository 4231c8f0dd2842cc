"""How work that an operator asked for fails: one line that says what to do, and an exit code."""


class Failed(Exception):
    """What could not be done, in one line. A command ends with exit code 1."""

    exit_code = 1


class WrongUsage(Failed):
    """What was asked for makes no sense as it is: a setting, an argument. Exit code 2."""

    exit_code = 2
