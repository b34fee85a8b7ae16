"""Models of the plugin's inputs: tasks (with machines, steps and variables), Helm charts, and the plugin's settings."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Base class of the plugin's immutable inputs, which Pulumi's engine sends as properties with camelCase keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Hop(Model):
    """Address, login and pinned host key of an SSH server."""

    name: str
    address: str
    port: int
    user: str
    host_key: str
    host_authority: str = ""  # public key of an SSH CA, whose host certificates are accepted as well
    key: str | None  # name of the private key in the plugin's settings; None: the keys of the user's SSH agent


class Machine(Hop):
    """A machine on which tasks run."""

    sudo: bool
    bastion: Hop | None = None


Script = Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+/)?[a-z0-9-]+\.sh$")]
"""Name of a script below `components/scripts`; the pattern allows no path out of this folder."""


class Step(Model):
    """One script of a task, the machines that run the script, and the flags on which the script depends.

    `on` selects where the script runs: on the task's own machine (`machine`), on a ready server (`server`), on a ready
    server other than the task's own machine (`other`), or on all servers at once (`servers`).
    """

    script: Script
    on: Literal["machine", "server", "other", "servers"] = "machine"
    when: tuple[str, ...] = ()  # flags that earlier steps must have raised
    unless: tuple[str, ...] = ()  # flags that no earlier step may have raised
    turn: bool = False  # from this step on, the task may disrupt its machine
    reboots: bool = False
    exports: tuple[str, ...] = ()  # variables that the script prints for later steps as lines `export: NAME=value`


class DisruptionLimit(Model):
    """Limit on disruption: at most `width` tasks of a group may disrupt their machines at the same time."""

    group: str
    width: int = Field(ge=1)


class Chart(Model):
    """A Helm chart. If a task has a Helm chart, the task's scripts get the CRDs of the chart in the variable `CRDS`."""

    name: str
    version: str
    repository: str  # URL of a Helm repository (a folder with an index.yaml), or oci:// URL of a registry's folder
    sha256: str = ""  # checksum of the chart's archive
    keys: tuple[tuple[str, ...], ...] = ()  # paths of the values that the user sets in the stack file


class Task(Model):
    """Inputs of a task resource."""

    machine: Machine
    run: tuple[Step, ...]
    undo: tuple[Step, ...] = ()
    probe: Script | Literal[""] = ""  # drift check: prints the differences from the applied state
    digest: str  # hash of the task's script texts, so that a changed script runs again
    variables: Mapping[str, str] = Field(default_factory=dict)
    secrets: Mapping[str, str] = Field(default_factory=dict)
    chart: Chart | None = None
    turn: DisruptionLimit | None = None
    once: bool = False  # never runs again after it succeeded

    def needs_rerun(self, old: "Task") -> bool:
        """Return whether the task's steps must run again; new SSH connection settings alone require no run."""
        return not self.once and self._work() != old._work()

    def _work(self) -> dict[str, Any]:
        return self.model_dump(include={"run", "digest", "variables", "secrets", "chart"})


class Settings(Model):
    """Settings of the plugin, which apply to all tasks and are not part of any task's state."""

    keys: Mapping[str, str] = Field(default_factory=dict)
    servers: tuple[Machine, ...] = ()
    agents: tuple[Machine, ...] = ()
    probes: tuple[Script, ...] = ()  # drift checks without variables, which start on every machine at the same time
    flags: tuple[str, ...] = ()  # flags that are raised in every task from the start
