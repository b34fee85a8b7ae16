"""What can go wrong on the way to a machine and on it."""


class TaskError(Exception):
    """A task failed; the text names machine, step, cause and what to do next."""


class Unreachable(TaskError):  # noqa: N818 - it says what the machine is
    """Nothing answers at the machine's address."""


class ApiAway(TaskError):  # noqa: N818 - it says what is the case
    """The machine answers, and the cluster's API on it does not."""


class Untrusted(TaskError):  # noqa: N818 - it says what answers there
    """Another host key than the pinned one answers at the address of `hop`."""

    def __init__(self, hop: str, message: str) -> None:
        super().__init__(message)
        self.hop = hop


class Foreign(TaskError):  # noqa: N818 - it says what the machine is
    """The machine is a node of another cluster; nothing was done there."""
