"""Resources of homelab's Pulumi provider: tasks on machines, generated secrets, and archives of Helm charts."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pulumi

from components.kubernetes.chart import Chart

SCRIPTS = Path(__file__).parent / "scripts"
COMMENT_LINE = re.compile(r"^[ \t]*#.*\n", re.MULTILINE)  # only whole lines: no script has a # line inside a string

Step = Mapping[str, object]
Connection = Mapping[str, object]


def step(script: str, **where_and_when: object) -> Step:
    """Return one step of a task.

    `provider/model.py` describes the arguments `on`, `when`, `unless`, `turn` and `reboots`.
    """
    return {"script": script, **where_and_when}


class HomelabProvider(pulumi.ProviderResource):
    """Settings of homelab's Pulumi provider: private SSH keys, all machines, and the drift checks.

    The provider's settings are not inputs of tasks, so a changed SSH key or an added server runs no task again.
    `drift_checks` are scripts that check every machine for drift at the start of every Pulumi run. The flags in `flags`
    are set at the start of every task.
    """

    def __init__(
        self,
        name: str,
        keys: Mapping[str, pulumi.Input[str]],
        servers: Sequence[Connection],
        *,
        agents: Sequence[Connection] = (),
        drift_checks: Sequence[str] = (),
        flags: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        shared = {"servers": list(servers), "agents": list(agents), "probes": list(drift_checks), "flags": list(flags)}
        settings = pulumi.Output.json_dumps({"keys": dict(keys), **shared})
        super().__init__("homelab", name, {"settings": pulumi.Output.secret(settings)}, opts)


class Task(pulumi.CustomResource):
    """A task: steps that homelab runs on a machine when the task's inputs change, and steps that undo the changes.

    `cluster` is the random ID of the K3s cluster. The scripts of the task do nothing on a machine that belongs to
    another cluster. If `chart` is set (name, version, repository and sha256), the scripts get the CRDs of the chart in
    the variable CRDS.
    """

    output: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        machine: Connection,
        run: Sequence[Step],
        *,
        cluster: pulumi.Input[str],
        undo: Sequence[Step] = (),
        drift_check: str = "",
        variables: Mapping[str, pulumi.Input[str]] | None = None,
        secrets: Mapping[str, pulumi.Input[str]] | None = None,
        chart: Mapping[str, object] | None = None,
        turn: Mapping[str, object] | None = None,
        run_once: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "machine": machine,
            "run": list(run),
            "undo": list(undo),
            "probe": drift_check,
            "digest": _digest(run),
            "variables": variables or {},
            "secrets": pulumi.Output.secret(pulumi.Output.from_input({"CLUSTER": cluster, **(secrets or {})})),
            "once": run_once,
            "output": None,
            **({"chart": chart} if chart else {}),
            **({"turn": turn} if turn else {}),
        }
        super().__init__("homelab:index:Task", name, props, opts)


class RandomSecret(pulumi.CustomResource):
    """A random secret of `size` bytes, written as hexadecimal digits.

    If `generation` changes, Pulumi replaces the secret with a new random secret.
    """

    value: pulumi.Output[str]

    def __init__(
        self, name: str, size: int, opts: pulumi.ResourceOptions | None = None, *, generation: int = 1
    ) -> None:
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["value"]))
        super().__init__("homelab:index:Secret", name, {"bytes": size, "generation": generation, "value": None}, opts)


class ChartArchive(pulumi.CustomResource):
    """The archive of a Helm chart. homelab downloads the archive once, verifies it, and stores it at `path` for Helm.

    If `sha256` is missing, homelab accepts every archive that the chart repository returns. `value_paths` are the paths
    of Helm values from the stack file. homelab checks whether the chart's own values have the same paths. `pulumi
    preview` already verifies the archive and checks the paths.
    """

    path: pulumi.Output[str]
    sha256: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        chart: Chart,
        value_paths: Iterable[Sequence[str]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "name": chart.name,
            "version": chart.version,
            "repository": chart.repository,
            "sha256": chart.sha256,
            "keys": [list(key) for key in value_paths],
            "path": None,
        }
        super().__init__("homelab:index:Chart", name, props, opts)


def _digest(run: Sequence[Step]) -> str:
    """Return a hash of the scripts of all steps.

    The hash ignores comment lines, so a changed comment in a script does not run the task again.
    """
    return _digest_of(("lib.sh", *sorted({str(entry["script"]) for entry in run})))


@cache
def _digest_of(names: tuple[str, ...]) -> str:
    texts = {name: COMMENT_LINE.sub("", (SCRIPTS / name).read_text()) for name in names}
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
