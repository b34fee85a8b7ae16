"""Rules of the resource graph; each fails with the resources that break it."""

from components.cluster.kubeconfig import private_key
from tests.support.envelopes import is_sealed, texts
from tests.support.recorder import KUBERNETES, MACHINES, SECRET, Recording, generated

RUN_ONCE_ROLES = {"found", "join"}


def machines_are_prepared_at_once(run: Recording) -> None:
    assert run.tasks_of_role("prepare").keys() == roles(run).keys()
    for node, task in run.tasks_of_role("prepare").items():
        assert run.tasks_before(task) <= before_preparation(run, node), f"{node} waits for others"


def before_preparation(run: Recording, node: str) -> set[str]:
    """Tasks that only nodes with settings under `machine` have. Servers upgrade their packages before agents."""
    upgraded = [*servers(run), node] if f"{node}-package-upgrade" in names(run) else [node]
    settings = {f"{each}-machine" for each in upgraded}
    return {f"{node}-before-k3s", *settings, *(f"{each}-package-upgrade" for each in upgraded)}


def packages_of_agents_are_upgraded_after_those_of_servers(run: Recording) -> None:
    upgrades = run.tasks_of_role("upgrade")
    of_servers = {task.name for node, task in upgrades.items() if node in servers(run)}
    for node, task in upgrades.items():
        before = {name for name in run.tasks_before(task) if name.endswith("-package-upgrade")}
        assert before == (set() if node in servers(run) else of_servers), node
        assert task.name in run.tasks_before(run.tasks_of_role("prepare")[node]), f"{node} is prepared too early"
        assert not task.plain["undo"], "removing the setting changes no machine"


def settings_of_machines_come_first(run: Recording) -> None:
    for node, task in run.tasks_of_role("machine").items():
        assert not run.tasks_before(task), f"{node} waits for others"
        assert task.name in run.tasks_before(run.tasks_of_role("prepare")[node]), f"{node} is prepared too early"


def the_first_server_bootstraps(run: Recording) -> None:
    founds = run.tasks_of_role("found")
    assert list(founds) == servers(run)[:1]
    marked = [task.name for task in run.tasks if task.plain["variables"].get("FOUND") == "yes"]
    assert marked == [task.name for task in founds.values()]


def joining_follows_bootstrapping(run: Recording) -> None:
    (found,) = run.tasks_of_role("found").values()
    assert run.tasks_of_role("join").keys() == roles(run).keys()
    for node, task in run.tasks_of_role("join").items():
        assert {found.name, f"{node}-prepare"} <= run.tasks_before(task), f"{node} joins too early"


def all_join_at_once(run: Recording) -> None:
    ((founder, found),) = run.tasks_of_role("found").items()
    for node, task in run.tasks_of_role("join").items():
        needed = {f"{founder}-prepare", found.name, f"{node}-prepare"}
        optional = before_preparation(run, founder) | before_preparation(run, node)
        assert run.tasks_before(task) - optional == needed, f"{node} waits for more than it needs"


def servers_roll_when_all_have_joined(run: Recording) -> None:
    for node in servers(run):
        before = run.tasks_before(run.tasks_of_role("roll")[node])
        assert {f"{each}-join" for each in servers(run)} <= before, f"{node} rolls too early"
        assert not {f"{each}-roll" for each in roles(run)} & before, f"{node} rolls after others, which its turn is for"


def agents_roll_after_servers(run: Recording) -> None:
    for node in agents(run):
        before = run.tasks_before(run.tasks_of_role("roll")[node])
        assert {f"{each}-roll" for each in servers(run)} <= before, f"{node} rolls too early"
        assert f"{node}-join" in before
        assert not {f"{each}-roll" for each in agents(run)} & before


def turns_limit_disruption(run: Recording, max_unavailable: int) -> None:
    widths = {"server": ("servers", 1), "agent": ("agents", max_unavailable)}
    joining = {task.name for task in run.tasks_of_role("join").values()}
    tasks = [each for each in run.tasks if "turn" in each.plain]
    assert tasks == [each for each in run.tasks if run.node_of(each)], "what is no machine's own disturbs nothing"
    for task in tasks:
        turn, role = task.plain["turn"], roles(run)[run.node_of(task)]
        wanted = (f"{role}s that join", 8) if task.name in joining else widths[role]
        assert (turn["group"], turn["width"]) == wanted, task.name


def remembered_tasks_run_once(run: Recording) -> None:
    once = {task.name for task in run.tasks if task.plain["once"]}
    assert once == {task.name for role in RUN_ONCE_ROLES for task in run.tasks_of_role(role).values()}


def retirement_and_kubeconfig_follow_rolls(run: Recording) -> None:
    rolls = {task.name for task in run.tasks_of_role("roll").values()}
    assert rolls <= run.tasks_before(run.resource("cluster-retire"))
    assert {f"{each}-roll" for each in servers(run)} <= run.tasks_before(run.resource("cluster-kubeconfig"))
    assert not {f"{each}-roll" for each in agents(run)} & run.tasks_before(run.resource("cluster-kubeconfig"))


def every_provider_is_explicit(run: Recording) -> None:
    (machines,) = (each for each in run.registered if each.type == MACHINES)
    (kubernetes,) = (each for each in run.registered if each.type == KUBERNETES)
    by_package = {"homelab": machines, "kubernetes": kubernetes}
    used = [each for each in run.registered if each.custom and not each.type.startswith("pulumi:providers:")]
    assert used
    for resource in used:
        provider = by_package[resource.type.partition(":")[0]]
        assert resource.provider == f"{provider.urn}::{provider.name}", f"{resource.name} uses a default provider"
    assert kubernetes.plain["clusterIdentifier"]
    # without it, a run that goes on after another fails on what that one made; Pulumi's plugin takes it from 4.29 on
    assert kubernetes.plain["upsertExistingObjects"] == "true"


def secrets_are_sealed(run: Recording) -> None:
    for resource in run.registered:
        if resource.type == MACHINES:
            assert is_sealed(resource.inputs["settings"])
        if resource.type == KUBERNETES:
            assert is_sealed(resource.inputs["kubeconfig"])
        if resource.type == SECRET:
            assert resource.secret_outputs == {"value"}
            assert resource.ignored == {"bytes"}, "a new size would replace the token"
    for task in run.tasks:
        assert is_sealed(task.inputs["secrets"]), f"secrets of {task.name}"
    for output in ("kubeconfig", "appKubeconfig"):
        assert is_sealed(run.stack_outputs[output]), output


def no_secret_is_in_plain_text(run: Recording, canaries: set[str]) -> None:
    made = {generated(each.name) for each in run.registered if each.type == SECRET}
    keys = {generated(each.name) for each in run.registered if each.type == SECRET and each.name.endswith("-key")}
    made |= {private_key(key) for key in keys}
    places = {each.name: each.inputs for each in run.registered}
    places |= {f"outputs of {urn}": outputs for urn, outputs in run.outputs.items()}
    seen = set()
    for place, values in places.items():
        for text, secret in texts(values):
            found = {each for each in canaries | made if each in text}
            assert secret or not found, f"{found} in clear: {place}"
            seen |= found
    salts = {
        generated(each.name) for each in run.registered if each.name.endswith("-salt")
    }  # hidden in what is made of it
    assert run.preview or canaries | made <= seen | salts | keys, "a secret is not used"


def names(run: Recording) -> set[str]:
    return {task.name for task in run.tasks}


def roles(run: Recording) -> dict[str, str]:
    """Return the nodes' roles, from the variables of their join tasks."""
    return {node: task.plain["variables"]["ROLE"] for node, task in run.tasks_of_role("join").items()}


def servers(run: Recording) -> list[str]:
    outputs = run.stack_outputs["nodes"]
    return [str(node["name"]) for node in outputs if node["role"] == "server"]


def agents(run: Recording) -> list[str]:
    return [node for node, role in roles(run).items() if role == "agent"]
