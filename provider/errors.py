"""Errors of connections to machines and of scripts that run there."""


class TaskError(Exception):
    """A task failed; the text names machine, step, cause and what to do next."""


class Unreachable(TaskError):  # noqa: N818 - the state of the machine
    """SSH on the machine does not answer, or its connection was lost."""


class ApiUnavailable(TaskError):  # noqa: N818 - the state of the API
    """SSH on the machine answers, but its Kubernetes API does not."""


class HostKeyMismatch(TaskError):  # noqa: N818 - the state of the machine
    """The SSH server at the address of `hop` shows another host key than the pinned one."""

    def __init__(self, hop: str, message: str) -> None:
        super().__init__(message)
        self.hop = hop


class OtherCluster(TaskError):  # noqa: N818 - the state of the machine
    """The machine is a node of another cluster; no changes were made there."""
