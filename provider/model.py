"""Models of the plugin's inputs: a task with its machine, steps and variables; a chart; the plugin's settings."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Base of the frozen models that the engine sends as properties with camelCase keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Hop(Model):
    """An SSH server: its address, its login and its pinned host key."""

    name: str
    address: str
    port: int
    user: str
    host_key: str
    host_authority: str = ""  # public key of the SSH CA whose host certificates are accepted, too
    key: str | None  # name of the private key in the plugin's settings; None: the keys of the user's SSH agent


class Machine(Hop):
    """A machine on which tasks run."""

    sudo: bool
    bastion: Hop | None = None


Script = Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+/)?[a-z0-9-]+\.sh$")]
"""Name of a script below `components/scripts`; it cannot lead out of that folder."""


class Step(Model):
    """One script of a task: its target machine and its conditions.

    `on` is the task's own machine (`machine`), a ready server (`server`), a ready server other than the task's own
    machine (`other`), or all servers at once (`servers`).
    """

    script: Script
    on: Literal["machine", "server", "other", "servers"] = "machine"
    when: tuple[str, ...] = ()  # flags that earlier steps must have raised
    unless: tuple[str, ...] = ()  # flags that no earlier step may have raised
    turn: bool = False  # from this step on, the task holds its turn
    reboots: bool = False
    exports: tuple[str, ...] = ()  # variables that it prints for later steps, one line `export: NAME=value` each


class DisruptionLimit(Model):
    """Limit on disruption: at most `width` tasks of a group disrupt their machines at the same time."""

    group: str
    width: int = Field(ge=1)


class Chart(Model):
    """A Helm chart. In a task, its scripts get the chart's CRDs as the variable CRDS."""

    name: str
    version: str
    repository: str  # URL of a Helm repository (a folder with an index.yaml), or oci:// URL of a registry's folder
    sha256: str = ""  # of its archive
    keys: tuple[tuple[str, ...], ...] = ()  # paths of the values that the user sets in the stack file


class Task(Model):
    """Inputs of a task resource."""

    machine: Machine
    run: tuple[Step, ...]
    undo: tuple[Step, ...] = ()
    probe: Script | Literal[""] = ""  # drift check: prints the differences from the applied state
    digest: str  # hash of the texts of its scripts, so that a changed script runs again
    variables: Mapping[str, str] = Field(default_factory=dict)
    secrets: Mapping[str, str] = Field(default_factory=dict)
    chart: Chart | None = None
    turn: DisruptionLimit | None = None
    once: bool = False  # never runs again after it succeeded

    def needs_rerun(self, old: "Task") -> bool:
        """Return whether an update from `old` must run the steps; a changed SSH connection alone does not."""
        return not self.once and self._work() != old._work()

    def _work(self) -> dict[str, Any]:
        return self.model_dump(include={"run", "digest", "variables", "secrets", "chart"})


class Settings(Model):
    """Settings of the plugin, which all tasks share and which no task stores in its state."""

    keys: Mapping[str, str] = Field(default_factory=dict)
    servers: tuple[Machine, ...] = ()
    agents: tuple[Machine, ...] = ()
    probes: tuple[Script, ...] = ()  # drift checks without variables, which start on every machine at the same time
    flags: tuple[str, ...] = ()  # raised in every task from its start
