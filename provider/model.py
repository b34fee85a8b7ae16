"""What a task is: the machine, the steps in their order, and what they are given."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """Frozen data as the engine sends it (camelCase keys)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Hop(Model):
    """One SSH server: how to reach it and how to know it."""

    name: str
    address: str
    port: int
    user: str
    host_key: str
    host_authority: str = ""  # public key of who may vouch for another host key
    key: str | None  # name of the private key in the plugin's settings; None: the user's SSH agent


class Machine(Hop):
    """A machine that tasks run on."""

    sudo: bool
    bastion: Hop | None = None


Script = Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+/)?[a-z0-9-]+\.sh$")]
"""Name of a script below `components/scripts`; never a path out of it."""


class Step(Model):
    """One script, and where and when it runs."""

    script: Script
    on: Literal["machine", "server", "other", "servers"] = "machine"  # server: one that serves; other: not its own
    when: tuple[str, ...] = ()  # flags which earlier steps must have raised
    unless: tuple[str, ...] = ()  # flags which no earlier step may have raised
    turn: bool = False  # from here on the task holds its turn
    reboots: bool = False
    exports: tuple[str, ...] = ()  # variables that it prints for later steps, a line `export: NAME=value` each


class Turn(Model):
    """At most `width` tasks of a group disturb their machines at once."""

    group: str
    width: int = Field(ge=1)


class Chart(Model):
    """A Helm chart; a task's scripts are given its CRDs as the variable CRDS."""

    name: str
    version: str
    repository: str  # URL of a folder with an index.yaml, or with oci:// of a registry's folder
    sha256: str = ""  # of its archive
    keys: tuple[tuple[str, ...], ...] = ()  # of values that somebody gave it


class Task(Model):
    """Inputs of a task."""

    machine: Machine
    run: tuple[Step, ...]
    undo: tuple[Step, ...] = ()
    probe: Script | Literal[""] = ""  # prints what differs from what was done
    digest: str  # of all the scripts
    variables: Mapping[str, str] = Field(default_factory=dict)
    secrets: Mapping[str, str] = Field(default_factory=dict)
    chart: Chart | None = None
    turn: Turn | None = None
    once: bool = False  # never run again after it succeeded

    def reruns(self, old: "Task") -> bool:
        """Whether going from `old` to this needs work on the machine; a new connection alone does not."""
        return not self.once and self._work() != old._work()

    def _work(self) -> dict[str, Any]:
        return self.model_dump(include={"run", "digest", "variables", "secrets", "chart"})


class Settings(Model):
    """The plugin's own settings: what every task shares and no task keeps in its state."""

    keys: Mapping[str, str] = Field(default_factory=dict)
    servers: tuple[Machine, ...] = ()
    agents: tuple[Machine, ...] = ()
    probes: tuple[Script, ...] = ()  # scripts that need to be told nothing: every machine is looked at by them at once
    flags: tuple[str, ...] = ()  # raised for every task from its start
