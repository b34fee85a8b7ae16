"""Bringing a cluster back from a snapshot: the machines are made fit, one server is restored, the others join it.

It may be killed anywhere and run again: every step can run twice, and it begins at its beginning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.machine import Step, step
from operations import files, snapshots
from operations.site import NONE, Say, Site, all_of, progress
from operations.snapshots import BEFORE, S3, Found, Snapshot, SnapshotError
from provider.errors import TaskError, Unreachable
from provider.model import Task

READY = (
    step("prepare.sh"),
    step("reboot.sh", when=["reboot"], reboots=True),
    step("prepare.sh", when=["reboot"]),
)
STAGE = (step("stage.sh"),)
HALT = (step("halt.sh"),)
PLACE = (step("place.sh"),)
RESTORE = (step("stage.sh"), step("reset.sh"), step("apply.sh"))
ROTATE = (step("rotate.sh"), step("stage.sh"), step("apply.sh"))
ADMIT = (step("admit.sh", on="server"),)
CA = step("cluster-ca.sh", on="server", exports=["CA", "CA_HASH"])
REJOIN = (CA, step("empty.sh"), step("stage.sh"), step("apply.sh"))
RETURN = (CA, step("stage.sh"), step("apply.sh"), step("return.sh"))
BIND = (step("bind.sh", on="server"),)
SETTLE = (step("uncordon.sh", on="server"), step("label.sh", on="server"))
INBOX = "/var/lib/homelab/inbox/snapshot"


@dataclass(frozen=True)
class Plan:
    """What is to be done: the snapshot, the server that is restored, those that join it, and what is left out.

    `token` is the snapshot's own, where it is another than the stack's.
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
    """What came of it. `absent` are agents that do not answer."""

    plan: Plan
    absent: tuple[str, ...]


def plan(found: Found, snapshot: Snapshot, file: Path | None = None, *, from_s3: bool = False) -> Plan:
    """Decide where to restore. Raises `SnapshotError`."""
    answering = found.answering
    if not answering:
        raise SnapshotError("No server answers, so there is none to restore: give one power, or a new disk.")
    here = [name for name in answering if name in snapshot.places]
    fetch = not file and (from_s3 or not here)
    if fetch and S3 not in snapshot.places:
        raise SnapshotError(f"{snapshot.name} is on {', '.join(snapshot.places)} only, which does not answer.")
    first = answering[0] if fetch or file else here[0]
    others = tuple(name for name in answering if name != first)
    lost = tuple(server.name for server in found.servers if server.k3s is None)
    return Plan(snapshot, file, fetch, first, others, lost, found.serving)


def check(site: Site, given: Mapping[str, Task]) -> None:
    """Refuse to begin without what the machines are given. Raises `SnapshotError`."""
    missing = [name for name in site.machines if not {f"{name}-prepare", f"{name}-roll"} <= given.keys()]
    if missing:
        raise SnapshotError(
            f"Pulumi's state of stack {site.stack.name} does not know {', '.join(missing)}: "
            "it is empty, another stack's, or no `pulumi up` has seen them yet. Nothing was touched."
        )


class Rescue:
    """One restore."""

    def __init__(self, site: Site, given: Mapping[str, Task], plan: Plan, say: Say) -> None:
        self._site = site
        self._given = given
        self._plan = plan
        self._say = say
        self._runner = site.runner((plan.first,))

    async def run(self) -> Restored:
        """Do it all. Raises `TaskError`."""
        plan = self._plan
        servers = (plan.first, *plan.others)
        agents = self._site.agents
        await all_of({name: self._make_fit(name) for name in servers})
        absent = tuple(
            name for name, there in (await all_of({n: self._agent_fit(n) for n in agents})).items() if not there
        )
        await self._keep_what_is()
        if plan.file:
            await self._send(plan.file)
        await all_of({name: self._do(name, HALT) for name in servers})
        await self._restore()
        back = [name for name in agents if name not in absent]
        await self._do(plan.first, ADMIT, NODES=" ".join((*plan.others, *plan.lost, *agents)))
        await self._bind()
        joining = {name: self._do(name, REJOIN) for name in plan.others}
        await all_of(joining | {name: self._do(name, RETURN) for name in back})
        await all_of({name: self._do(name, SETTLE) for name in (*servers, *back)})
        return Restored(plan, absent)

    async def _restore(self) -> None:
        plan = self._plan
        fetch = "yes" if plan.fetch else "no"
        token = {"TOKEN": plan.token} if plan.token else NONE
        await self._do(plan.first, RESTORE, token, SNAPSHOT=plan.snapshot.name, FETCH=fetch)
        if plan.token:
            await self._do(plan.first, ROTATE, {"OLD_TOKEN": plan.token})

    async def _bind(self) -> None:
        """Give rights to the users of the stack's kubeconfigs, and to none that the snapshot may know beside them."""
        given = self._given.get("cluster-kubeconfig")
        if given and "RIGHTS" in given.variables:  # not of a version before it
            await self._runner.run(self._site.task(self._plan.first, *BIND, given=given), progress(self._say))

    async def _make_fit(self, name: str) -> None:
        prepared = self._site.task(name, *READY, given=self._given[f"{name}-prepare"])
        await self._runner.run(prepared, progress(self._say))
        await self._do(name, STAGE)

    async def _agent_fit(self, name: str) -> bool:
        """The same for an agent, which may be absent."""
        try:
            await self._site.connections().connect(self._site.machines[name])
        except Unreachable as cause:
            self._say(f"{cause}; it is left out")
            return False
        await self._make_fit(name)
        return True

    async def _keep_what_is(self) -> None:
        """A way back, where there still is something: a snapshot of what is about to be replaced."""
        for name in self._plan.serving[:1]:
            try:
                kept = await snapshots.take(self._site, name, BEFORE, self._say)
            except TaskError as error:
                self._say(f"no snapshot of what there is now: {error}")
            else:
                self._say(f"what there is now is kept in {kept} on {name}")

    async def _send(self, file: Path) -> None:
        first = self._plan.first
        self._say(f"{first}: sending {file.name}")
        await self._site.connections().put(self._site.machines[first], file, INBOX)
        await self._do(first, PLACE, SNAPSHOT=self._plan.snapshot.name, SENT=INBOX, CHECKSUM=files.sha256(file))

    async def _do(self, name: str, steps: Sequence[Step], secrets: Mapping[str, str] = NONE, **variables: str) -> None:
        task = self._site.task(name, *steps, given=self._given[f"{name}-roll"], secrets=secrets, **variables)
        await self._runner.run(task, progress(self._say))
