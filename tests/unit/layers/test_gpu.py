"""GPU: labels, sharing, and what is said of a machine that is not ready."""

import json
from pathlib import Path

import pytest

from tests.support.kubectl_scripts import run
from tests.support.layer_fixtures import lab, layer, problems, values

NODE = {"NODE": "d", "ROLE": "agent"}
CARD, RUNTIME = 'nvidia-smi() { echo "GPU 0"; }', "command() { [ $2 = nvidia-container-runtime ]; }"


def test_machines_with_a_card_are_labelled_and_looked_at() -> None:
    found = layer("gpu", lab(gpu={"nodes": ["a", "d"]}))
    labelled = [node.name for node in found.lab.cluster.nodes if found.node_labels(node)]
    assert labelled == ["a", "d"]
    looks = [(each.node, each.run, each.variables["ROLE"]) for each in found.host_services()]
    assert looks == [("a", ("gpu/check-driver.sh",), "server"), ("d", ("gpu/check-driver.sh",), "agent")]


def test_a_card_is_one_pods_unless_it_is_shared() -> None:
    assert "config" not in values("gpu", lab(gpu={"nodes": ["a"]}))
    config = values("gpu", lab(gpu={"nodes": ["a"], "shares": 4}))["config"]
    said = json.loads(config["map"][config["default"]])
    assert said["sharing"]["timeSlicing"]["resources"] == [{"name": "nvidia.com/gpu", "replicas": 4}]


def fake(*parts: str) -> str:
    """Kubectl that is never asked, and behind it what else there is on the machine."""
    return "\n".join((":; }", *parts, "data=$PWD", "unused() { :"))


def test_machine_that_is_ready_passes(calls_file: Path) -> None:
    config = calls_file.parent / "agent/etc/containerd/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('BinaryName = "/usr/bin/nvidia-container-runtime"\n')
    done = run("gpu/check-driver", calls_file, fake(CARD, RUNTIME), **NODE)
    assert (done.status, done.output, done.errors) == (0, "", "")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (("nvidia-smi() { return 9; }", RUNTIME), ("no working NVIDIA driver", "Install your distribution's driver")),
        (
            (CARD, "command() { return 1; }"),
            ("no NVIDIA container runtime", "apt-get install nvidia-container-toolkit && systemctl restart k3s-agent"),
        ),
        ((CARD, RUNTIME), ("has not detected NVIDIA's container runtime", "systemctl restart k3s-agent")),
    ],
)
def test_what_a_machine_lacks_is_said_and_nothing_is_installed(
    calls_file: Path, there: tuple[str, ...], said: tuple[str, ...]
) -> None:
    done = run("gpu/check-driver", calls_file, fake(*there), **NODE)
    assert done.status == 1
    assert all(text in done.errors for text in (*said, "Then run `pulumi up` again."))
    assert done.calls == []


@pytest.mark.parametrize(
    ("nodes", "report"),
    [
        ([], "nodes: is empty; list the nodes that have a GPU"),
        (["x"], "nodes.0: is not a node of the cluster; use a name from cluster.nodes"),
        (["a", "a"], "nodes.1: is repeated; remove one of them"),
    ],
)
def test_what_is_wrong_is_reported(nodes: list[str], report: str) -> None:
    assert problems("gpu", lab(gpu={"nodes": nodes})) == [report]
