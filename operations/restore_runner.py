"""Restores a cluster from a snapshot: prepares the machines, restores one server, and rejoins the other machines.

An interrupted restore can run again from its start, because every step is idempotent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.provider_resources import Step, step
from operations import files, snapshot_catalog
from operations.cluster_access import NONE, Say, Site, all_of, progress
from operations.snapshot_catalog import BEFORE, S3, Found, Snapshot, SnapshotError
from provider.errors import TaskError, Unreachable
from provider.model import Task

READY = (
    step("node/prepare.sh"),
    step("node/reboot.sh", when=["reboot"], reboots=True),
    step("node/prepare.sh", when=["reboot"]),
)
STAGE = (step("node/stage-k3s.sh"),)
HALT = (step("node/stop-k3s.sh"),)
PLACE = (step("etcd/receive-snapshot.sh"),)
RESTORE = (step("node/stage-k3s.sh"), step("etcd/restore-snapshot.sh"), step("node/install-k3s.sh"))
ROTATE = (step("etcd/replace-snapshot-token.sh"), step("node/stage-k3s.sh"), step("node/install-k3s.sh"))
ADMIT = (step("cluster/clear-node-passwords.sh", on="server"),)
CA = step("node/export-ca.sh", on="server", exports=["CA", "CA_HASH"])
REJOIN = (CA, step("etcd/reset-member.sh"), step("node/stage-k3s.sh"), step("node/install-k3s.sh"))
RETURN = (CA, step("node/stage-k3s.sh"), step("node/install-k3s.sh"), step("node/restart-agent.sh"))
BIND = (step("cluster/bind-kubeconfig-users.sh", on="server"),)
SETTLE = (step("cluster/uncordon.sh", on="server"), step("cluster/sync-labels.sh", on="server"))
INBOX = "/var/lib/homelab/inbox/snapshot"


@dataclass(frozen=True)
class Plan:
    """A restore: the snapshot, the server that is restored, the servers that rejoin, and the lost servers.

    `token` is the server token of the snapshot, if the token differs from the stack's.
    """

    snapshot: Snapshot
    file: Path | None
    fetch: bool
    first: str
    others: tuple[str, ...]
    lost: tuple[str, ...]
    serving: tuple[str, ...]
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Restored:
    """The result of a restore. `absent` are the agents that did not answer."""

    plan: Plan
    absent: tuple[str, ...]


def plan(inventory: Found, snapshot: Snapshot, file: Path | None = None, *, from_s3: bool = False) -> Plan:
    """Choose the server to restore and the source of the snapshot. Raises `SnapshotError`."""
    answering = inventory.answering
    if not answering:
        raise SnapshotError("No server answers over SSH: power on the server to restore, or reinstall its system.")
    holders = [name for name in answering if name in snapshot.places]
    fetch = not file and (from_s3 or not holders)
    if fetch and S3 not in snapshot.places:
        raise SnapshotError(f"{snapshot.name} is only on servers that do not answer: {', '.join(snapshot.places)}.")
    first = answering[0] if fetch or file else holders[0]
    others = tuple(name for name in answering if name != first)
    lost = tuple(server.name for server in inventory.servers if server.k3s is None)
    return Plan(snapshot, file, fetch, first, others, lost, inventory.serving)


def check(site: Site, tasks: Mapping[str, Task]) -> None:
    """Reject a restore unless Pulumi's state has the tasks of every machine. Raises `SnapshotError`."""
    missing = [name for name in site.machines if not {f"{name}-prepare", f"{name}-roll"} <= tasks.keys()]
    if missing:
        raise SnapshotError(
            f"Pulumi's state of stack {site.stack.name} does not have {', '.join(missing)}: "
            "the state is empty, belongs to another stack, or predates these nodes. No changes were made."
        )


class Rescue:
    """Runs one restore."""

    def __init__(self, site: Site, tasks: Mapping[str, Task], plan: Plan, say: Say) -> None:
        self._site = site
        self._tasks = tasks
        self._plan = plan
        self._say = say
        self._runner = site.runner((plan.first,))

    async def run(self) -> Restored:
        """Run all steps of the restore. Raises `TaskError`."""
        plan = self._plan
        servers = (plan.first, *plan.others)
        agents = self._site.agents
        await all_of({name: self._prepare(name) for name in servers})
        absent = tuple(
            name for name, answers in (await all_of({n: self._prepare_agent(n) for n in agents})).items() if not answers
        )
        await self._snapshot_current_state()
        if plan.file:
            await self._send(plan.file)
        await all_of({name: self._run_steps(name, HALT) for name in servers})
        await self._restore()
        rejoining = [name for name in agents if name not in absent]
        await self._run_steps(plan.first, ADMIT, NODES=" ".join((*plan.others, *plan.lost, *agents)))
        await self._grant_rights()
        joining = {name: self._run_steps(name, REJOIN) for name in plan.others}
        await all_of(joining | {name: self._run_steps(name, RETURN) for name in rejoining})
        await all_of({name: self._run_steps(name, SETTLE) for name in (*servers, *rejoining)})
        return Restored(plan, absent)

    async def _restore(self) -> None:
        plan = self._plan
        fetch = "yes" if plan.fetch else "no"
        token = {"TOKEN": plan.token} if plan.token else NONE
        await self._run_steps(plan.first, RESTORE, token, SNAPSHOT=plan.snapshot.name, FETCH=fetch)
        if plan.token:
            await self._run_steps(plan.first, ROTATE, {"OLD_TOKEN": plan.token})

    async def _grant_rights(self) -> None:
        """Grant rights to the users of the stack's kubeconfigs; revoke those of older users in the snapshot."""
        kubeconfig = self._tasks.get("cluster-kubeconfig")
        if kubeconfig and "RIGHTS" in kubeconfig.variables:  # older versions have no RIGHTS
            await self._runner.run(self._site.task(self._plan.first, *BIND, given=kubeconfig), progress(self._say))

    async def _prepare(self, name: str) -> None:
        prepared = self._site.task(name, *READY, given=self._tasks[f"{name}-prepare"])
        await self._runner.run(prepared, progress(self._say))
        await self._run_steps(name, STAGE)

    async def _prepare_agent(self, name: str) -> bool:
        """Prepare an agent. Return whether it answers over SSH."""
        try:
            await self._site.connections().connect(self._site.machines[name])
        except Unreachable as cause:
            self._say(f"{cause}; the restore skips it")
            return False
        await self._prepare(name)
        return True

    async def _snapshot_current_state(self) -> None:
        """Take a snapshot of the current cluster before the restore replaces it, if an API server is ready."""
        for name in self._plan.serving[:1]:
            try:
                saved = await snapshot_catalog.take(self._site, name, BEFORE, self._say)
            except TaskError as error:
                self._say(f"no snapshot of the current state: {error}")
            else:
                self._say(f"the current state is saved as snapshot {saved} on {name}")

    async def _send(self, file: Path) -> None:
        first = self._plan.first
        self._say(f"{first}: sending {file.name}")
        await self._site.connections().put(self._site.machines[first], file, INBOX)
        await self._run_steps(first, PLACE, SNAPSHOT=self._plan.snapshot.name, SENT=INBOX, CHECKSUM=files.sha256(file))

    async def _run_steps(
        self, name: str, steps: Sequence[Step], secrets: Mapping[str, str] = NONE, **variables: str
    ) -> None:
        task = self._site.task(name, *steps, given=self._tasks[f"{name}-roll"], secrets=secrets, **variables)
        await self._runner.run(task, progress(self._say))
