"""What can go wrong on the way to a machine and on it."""


class TaskError(Exception):
    """A task failed; the text names machine, step, cause and what to do next."""


class Unreachable(TaskError):  # noqa: N818 - it says what the machine is
    """Nothing answers at the machine's address."""
