"""Services and files for the simulated machines: mirror, webhook, images and kubelet settings."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rehearsal import server
from rehearsal.lab import Lab
from rehearsal.network_namespace import wait
from rehearsal.paths import PROJECT

KUBELET_CONFIG = """\
# The kubelet of each simulated machine sees the disk of the host. With K3s' default thresholds, which are percentages
# of the disk, the kubelet would evict pods and delete images on a large disk that still has much free space.
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionHard: {nodefs.available: 100Mi, imagefs.available: 100Mi}
evictionMinimumReclaim: {nodefs.available: "0", imagefs.available: "0"}
imageGCHighThresholdPercent: 100
"""
KUBELET_CONFIG_PATH = "k3s/agent/etc/kubelet.conf.d/90-rehearsal.conf"
"""Path below /var/lib/rancher; the prefix 90 makes the kubelet read the file after the files of K3s and homelab."""


def start_server(lab: Lab) -> None:
    """Start the rehearsal's server process, `rehearsal.server`, unless the server already runs."""
    if _serving(lab):
        return
    state = lab.folder / "server"
    state.mkdir(exist_ok=True, mode=0o700)
    log = state / "server.log"
    options: list[str | Path] = ["--root", lab.mirror, "--address", lab.address, "--state", state]
    with Path("/proc/self/ns/net").open() as own_network:
        outside = own_network.fileno()
        command = [sys.executable, "-m", "rehearsal.server", *options, "--outside", str(outside)]
        lab.netns.start(command, log, cwd=PROJECT, pass_fds=(outside,))
    wait(lambda: _serving(lab), 60, lambda: f"The rehearsal's server does not start: read {log}.")


def provision_disks(lab: Lab, manifest: str, archives: Sequence[Path]) -> None:
    """Collect the files for the machines' disks: webhook manifest, images, and the kubelet's eviction thresholds."""
    provisioning = lab.folder / "provisioning"
    manifests = provisioning / "server/k3s/server/manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    (manifests / "00-rehearsal-images.yaml").write_text(manifest)
    for role in ("server", "agent"):
        images = provisioning / role / "k3s/agent/images"
        shutil.rmtree(images, ignore_errors=True)
        images.mkdir(parents=True)
        for archive in archives:
            shutil.copy2(archive, images)
        kubelet = provisioning / role / KUBELET_CONFIG_PATH
        kubelet.parent.mkdir(parents=True, exist_ok=True)
        kubelet.write_text(KUBELET_CONFIG)
        kubelet.chmod(0o600)


def _serving(lab: Lab) -> bool:
    return lab.netns.answers(lab.address, server.HTTP_PORT) and lab.netns.answers(lab.address, server.WEBHOOK_PORT)
