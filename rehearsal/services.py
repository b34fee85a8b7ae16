"""What the rehearsal itself gives its machines: the mirror, the webhook for images, images."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rehearsal import server
from rehearsal.lab import Lab
from rehearsal.namespace import wait
from rehearsal.places import PROJECT

THRESHOLDS = """\
# Kubelets judge this computer's own disk. By K3s' defaults, parts of a whole, a large disk with much free has no room:
# pods are evicted, and images deleted that no registry brings back.
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionHard: {nodefs.available: 100Mi, imagefs.available: 100Mi}
evictionMinimumReclaim: {nodefs.available: "0", imagefs.available: "0"}
imageGCHighThresholdPercent: 100
"""
KUBELET = "k3s/agent/etc/kubelet.conf.d/90-rehearsal.conf"
"""Below /var/lib/rancher; by its name it is read after what K3s and the program have there."""


def serve(lab: Lab) -> None:
    """Start the services of the rehearsal itself: the mirror and the webhook."""
    if _serving(lab):
        return
    state = lab.folder / "server"
    state.mkdir(exist_ok=True, mode=0o700)
    options: list[str | Path] = ["--root", lab.mirror, "--address", lab.address, "--state", state]
    with (state / "server.log").open("ab") as log, Path("/proc/self/ns/net").open() as ours:
        subprocess.Popen(
            lab.namespace.command(sys.executable, "-m", "rehearsal.server", *options, "--outside", str(ours.fileno())),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=PROJECT,
            pass_fds=(ours.fileno(),),
        )
    wait(lambda: _serving(lab), 20, lambda: f"The rehearsal's mirror does not start: see {state / 'server.log'}.")


def furnish_disks(lab: Lab, manifest: str, archives: Sequence[Path]) -> None:
    """Note what machines find on their disks: the webhook, images, thresholds that suit this computer's disk."""
    furnishing = lab.folder / "furnishing"
    manifests = furnishing / "server/k3s/server/manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    (manifests / "00-rehearsal-images.yaml").write_text(manifest)
    for role in ("server", "agent"):
        images = furnishing / role / "k3s/agent/images"
        shutil.rmtree(images, ignore_errors=True)
        images.mkdir(parents=True)
        for archive in archives:
            shutil.copy2(archive, images)
        kubelet = furnishing / role / KUBELET
        kubelet.parent.mkdir(parents=True, exist_ok=True)
        kubelet.write_text(THRESHOLDS)
        kubelet.chmod(0o600)


def _serving(lab: Lab) -> bool:
    return lab.namespace.answers(lab.address, server.HTTP_PORT) and lab.namespace.answers(
        lab.address, server.WEBHOOK_PORT
    )
