"""Errors of SSH connections to machines, and errors of the scripts that run on machines."""


class TaskError(Exception):
    """A task on a machine failed; the error message states the machine, the step, the cause and the fix."""


class Unreachable(TaskError):  # noqa: N818 - the state of the machine
    """The machine does not answer on SSH, or the SSH connection was lost."""


class ApiUnavailable(TaskError):  # noqa: N818 - the state of the API
    """The machine answers on SSH, but its Kubernetes API does not answer."""


class HostKeyMismatch(TaskError):  # noqa: N818 - the state of the machine
    """The SSH server named `hop` presents a host key that differs from the pinned host key."""

    def __init__(self, hop: str, message: str) -> None:
        super().__init__(message)
        self.hop = hop


class OtherCluster(TaskError):  # noqa: N818 - the state of the machine
    """The machine is a node of another cluster, so the script made no changes on the machine."""
