"""Restores a cluster from an etcd snapshot: prepares the machines, restores one server, and rejoins the other machines.

An interrupted restore can run again from its start, because every step is idempotent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.provider_resources import Step, step
from operations import snapshot_catalog
from operations.cluster_access import NO_VALUES, ClusterAccess, Say, progress, run_concurrently
from operations.snapshot_catalog import BEFORE_RESTORE, S3, Snapshot, SnapshotError, SnapshotInventory
from provider.download import sha256_of
from provider.errors import TaskError, Unreachable
from provider.model import Task

PREPARE = (
    step("node/prepare.sh"),
    step("node/reboot.sh", when=["reboot"], reboots=True),
    step("node/prepare.sh", when=["reboot"]),
)
CONFIGURE = (
    step("node/configure-machine.sh"),
    step("node/reboot.sh", when=["reboot"], reboots=True),
    step("node/configure-machine.sh", when=["reboot"]),
)
RUN_COMMANDS = (
    step("node/run-commands.sh"),
    step("node/reboot.sh", when=["reboot"], reboots=True),
    step("node/run-commands.sh", when=["reboot"]),
)
STAGE = (step("node/stage-k3s.sh"),)
STOP = (step("node/stop-k3s.sh"),)
RECEIVE = (step("etcd/receive-snapshot.sh"),)
RESTORE = (step("node/stage-k3s.sh"), step("etcd/restore-snapshot.sh"), step("node/install-k3s.sh"))
ROTATE_TOKEN = (step("etcd/replace-snapshot-token.sh"), step("node/stage-k3s.sh"), step("node/install-k3s.sh"))
CLEAR_NODE_PASSWORDS = (step("cluster/clear-node-passwords.sh", on="server"),)
EXPORT_CA = step("node/export-ca.sh", on="server", exports=["CA", "CA_HASH"])
REJOIN_SERVER = (EXPORT_CA, step("etcd/reset-member.sh"), step("node/stage-k3s.sh"), step("node/install-k3s.sh"))
RESTART_AGENT = (EXPORT_CA, step("node/stage-k3s.sh"), step("node/install-k3s.sh"), step("node/restart-agent.sh"))
BIND_USERS = (step("cluster/bind-kubeconfig-users.sh", on="server"),)
FINISH = (step("cluster/uncordon.sh", on="server"), step("cluster/sync-labels.sh", on="server"))
UPLOAD_PATH = "/var/lib/homelab/inbox/snapshot"


@dataclass(frozen=True)
class Plan:
    """The plan of a restore: the snapshot, the server to restore, the servers that rejoin, and the lost servers.

    `token` is the server token from the time of the snapshot, if the stack's server token has changed since then.
    """

    snapshot: Snapshot
    file: Path | None
    from_s3: bool
    first: str
    others: tuple[str, ...]
    lost: tuple[str, ...]
    ready_servers: tuple[str, ...]
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class RestoreResult:
    """The result of a restore. `skipped_agents` are the agents that did not answer over SSH."""

    plan: Plan
    skipped_agents: tuple[str, ...]


def plan_restore(
    inventory: SnapshotInventory, snapshot: Snapshot, file: Path | None = None, *, from_s3: bool = False
) -> Plan:
    """Choose the server to restore, and the source of the etcd snapshot: a local file, S3 or a server.

    Raises `SnapshotError`.
    """
    reachable = inventory.reachable_servers
    if not reachable:
        raise SnapshotError(
            "No server answers over SSH: power on the server to restore, or reinstall its operating system."
        )
    holders = [name for name in reachable if name in snapshot.locations]
    from_s3 = not file and (from_s3 or not holders)
    if from_s3 and S3 not in snapshot.locations:
        raise SnapshotError(
            f"Snapshot {snapshot.name} is only on unreachable servers: power on {', '.join(snapshot.locations)}."
        )
    first = reachable[0] if from_s3 or file else holders[0]
    others = tuple(name for name in reachable if name != first)
    lost = tuple(server.name for server in inventory.servers if server.k3s is None)
    return Plan(snapshot, file, from_s3, first, others, lost, inventory.ready_servers)


def require_tasks(access: ClusterAccess, tasks: Mapping[str, Task]) -> None:
    """Refuse the restore if Pulumi's state lacks a task of a machine, because the restore uses the inputs of the tasks.

    Raises `SnapshotError`.
    """
    missing = [name for name in access.machines if not {f"{name}-prepare", f"{name}-roll"} <= tasks.keys()]
    if missing:
        raise SnapshotError(
            f"Pulumi's state of stack {access.stack.name} lacks the tasks of {', '.join(missing)}: "
            "the state is empty, belongs to another stack, or predates these nodes. No changes were made."
        )


class RestoreRunner:
    """Runs one restore."""

    def __init__(self, access: ClusterAccess, tasks: Mapping[str, Task], plan: Plan, say: Say) -> None:
        self._access = access
        self._tasks = tasks
        self._plan = plan
        self._say = say
        self._runner = access.runner((plan.first,))

    async def run(self) -> RestoreResult:
        """Run all steps of the restore. Raises `TaskError`."""
        plan = self._plan
        servers = (plan.first, *plan.others)
        agents = self._access.agents
        await run_concurrently({name: self._prepare(name) for name in servers})
        reached = await run_concurrently({name: self._prepare_agent(name) for name in agents})
        rejoining = [name for name in agents if reached[name]]
        await self._snapshot_current_state()
        if plan.file:
            await self._send(plan.file)
        await run_concurrently({name: self._run_steps(name, STOP) for name in servers})
        await self._restore()
        await self._run_steps(plan.first, CLEAR_NODE_PASSWORDS, NODES=" ".join((*plan.others, *plan.lost, *agents)))
        await self._grant_rights()
        joining = {name: self._run_steps(name, REJOIN_SERVER) for name in plan.others}
        await run_concurrently(joining | {name: self._run_steps(name, RESTART_AGENT) for name in rejoining})
        await run_concurrently({name: self._run_steps(name, FINISH) for name in (*servers, *rejoining)})
        return RestoreResult(plan, tuple(name for name in agents if not reached[name]))

    async def _restore(self) -> None:
        plan = self._plan
        fetch = "yes" if plan.from_s3 else "no"
        token = {"TOKEN": plan.token} if plan.token else NO_VALUES
        await self._run_steps(plan.first, RESTORE, token, SNAPSHOT=plan.snapshot.name, FETCH=fetch)
        if plan.token:
            await self._run_steps(plan.first, ROTATE_TOKEN, {"OLD_TOKEN": plan.token})

    async def _grant_rights(self) -> None:
        """Bind the users of the stack's kubeconfigs to their RBAC roles; delete the bindings of older users that are in
        the snapshot."""
        kubeconfig = self._tasks.get("cluster-kubeconfig")
        if kubeconfig and "RIGHTS" in kubeconfig.variables:  # older versions of homelab set no RIGHTS
            await self._runner.run(
                self._access.task(self._plan.first, *BIND_USERS, base=kubeconfig), progress(self._say)
            )

    async def _prepare(self, name: str) -> None:
        if configure := self._tasks.get(f"{name}-machine"):
            await self._runner.run(self._access.task(name, *CONFIGURE, base=configure), progress(self._say))
        if commands := self._tasks.get(f"{name}-before-k3s"):
            await self._runner.run(self._access.task(name, *RUN_COMMANDS, base=commands), progress(self._say))
        prepared = self._access.task(name, *PREPARE, base=self._tasks[f"{name}-prepare"])
        await self._runner.run(prepared, progress(self._say))
        await self._run_steps(name, STAGE)

    async def _prepare_agent(self, name: str) -> bool:
        """Prepare an agent for the restore; return False if the agent does not answer over SSH."""
        try:
            await self._access.connections().connect(self._access.machines[name])
        except Unreachable as cause:
            self._say(f"{cause}; the restore skips this agent")
            return False
        await self._prepare(name)
        return True

    async def _snapshot_current_state(self) -> None:
        """If an API server is ready, take a snapshot of the current cluster before the restore replaces its data."""
        for name in self._plan.ready_servers[:1]:
            try:
                saved = await snapshot_catalog.take_snapshot(self._access, name, BEFORE_RESTORE, self._say)
            except TaskError as error:
                self._say(f"no snapshot of the current cluster was taken: {error}")
            else:
                self._say(f"saved the cluster's current state as snapshot {saved} on {name}")

    async def _send(self, file: Path) -> None:
        first = self._plan.first
        self._say(f"{first}: sending {file.name}")
        await self._access.connections().upload(self._access.machines[first], file, UPLOAD_PATH)
        await self._run_steps(
            first, RECEIVE, SNAPSHOT=self._plan.snapshot.name, SENT=UPLOAD_PATH, CHECKSUM=sha256_of(file)
        )

    async def _run_steps(
        self, name: str, steps: Sequence[Step], secrets: Mapping[str, str] = NO_VALUES, **variables: str
    ) -> None:
        task = self._access.task(name, *steps, base=self._tasks[f"{name}-roll"], secrets=secrets, **variables)
        await self._runner.run(task, progress(self._say))
