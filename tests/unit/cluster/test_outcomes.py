"""Every configuration field of a cluster has an outcome on a live lab, which a rehearsal shows or a test renders."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from components.cluster.settings import ClusterSettings

EFFECT = "takes effect"
REFUSED = "is refused on a live lab"
CONNECTION = "changes how machines are reached, and nothing on them"
CERTIFIED = "is trusted in the rehearsal of access"
ELSEWHERE = "is changed in the other rehearsals"
MACHINE = "is set, seen as drift and taken back in the drill of machines"
SCRIPTED = "is set and taken back in tests of the script"
UPDATES = "takes effect in the drill of updates"
OPTIONS = "takes effect in the drill of cluster options"
OWN_CA = "signs the cluster's CAs in the drill of an own CA, and is refused on a live lab"
RENDERED = "cannot be had here: what it renders is tested"

OUTCOMES = {
    "name": EFFECT,
    "domain": EFFECT,
    "lan": RENDERED,
    "apps.podSecurity": ELSEWHERE,
    "apps.nfs": RENDERED,
    "apps.clusterRead": RENDERED,
    "discard": ELSEWHERE,
    "hardening": EFFECT,
    "maxUnavailable": RENDERED,
    "api.vip": EFFECT,
    "api.tlsSans": EFFECT,
    "api.by": RENDERED,
    "api.balancer": ELSEWHERE,
    "api.external": RENDERED,
    "api.port": ELSEWHERE,
    "ssh.user": CONNECTION,
    "ssh.port": CONNECTION,
    "ssh.privateKey": CONNECTION,
    "ssh.agent": ELSEWHERE,
    "ssh.sudo": CONNECTION,
    "ssh.hostAuthority": CERTIFIED,
    "ssh.bastion.address": CONNECTION,
    "ssh.bastion.user": CONNECTION,
    "ssh.bastion.port": CONNECTION,
    "ssh.bastion.hostKey": CONNECTION,
    "ssh.bastion.privateKey": CONNECTION,
    "network.cni": REFUSED,
    "network.flannelBackend": REFUSED,
    "network.pods": REFUSED,
    "network.services": REFUSED,
    "k3s.version": EFFECT,
    "k3s.mirror": ELSEWHERE,
    "k3s.pins.amd64": ELSEWHERE,
    "k3s.pins.arm64": ELSEWHERE,
    "k3s.pins.arm": ELSEWHERE,
    "k3s.pins.installer": ELSEWHERE,
    "k3s.secretsEncryption": REFUSED,
    "k3s.rotation.token": ELSEWHERE,
    "k3s.rotation.certificates": ELSEWHERE,
    "k3s.rotation.kubeconfigs": ELSEWHERE,
    "k3s.snapshots.schedule": EFFECT,
    "k3s.snapshots.retention": EFFECT,
    "k3s.snapshots.s3.endpoint": EFFECT,
    "k3s.snapshots.s3.bucket": EFFECT,
    "k3s.snapshots.s3.region": EFFECT,
    "k3s.snapshots.s3.folder": EFFECT,
    "k3s.snapshots.s3.accessKey": EFFECT,
    "k3s.snapshots.s3.secretKey": EFFECT,
    "k3s.snapshots.s3.endpointCa": ELSEWHERE,
    "k3s.snapshots.s3.retention": EFFECT,
    "k3s.disable": EFFECT,
    "k3s.servicelb": OPTIONS,
    "k3s.ca.certificate": OWN_CA,
    "k3s.ca.privateKey": OWN_CA,
    "k3s.audit": OPTIONS,
    "k3s.manifests": OPTIONS,
    "k3s.options": EFFECT,
    "k3s.serverOptions": EFFECT,
    "k3s.agentOptions": EFFECT,
    "registries.embedded": EFFECT,
    "registries.mirrors.endpoints": EFFECT,
    "registries.mirrors.rewrite": OPTIONS,
    "registries.tls.caFile": OPTIONS,
    "registries.tls.certFile": RENDERED,
    "registries.tls.keyFile": RENDERED,
    "registries.tls.insecureSkipVerify": RENDERED,
    "registries.auth.username": EFFECT,
    "registries.auth.password": EFFECT,
    "nodes.name": REFUSED,
    "nodes.role": REFUSED,
    "nodes.address": REFUSED,
    "nodes.secondAddress": RENDERED,
    "nodes.hostKey": ELSEWHERE,
    "nodes.arch": REFUSED,
    "nodes.interface": REFUSED,
    "nodes.ssh.address": OPTIONS,
    "nodes.ssh.user": CONNECTION,
    "nodes.ssh.port": CONNECTION,
    "nodes.ssh.privateKey": CONNECTION,
    "nodes.ssh.agent": ELSEWHERE,
    "nodes.ssh.sudo": CONNECTION,
    "nodes.ssh.bastion.address": CONNECTION,
    "nodes.ssh.bastion.user": CONNECTION,
    "nodes.ssh.bastion.port": CONNECTION,
    "nodes.ssh.bastion.hostKey": CONNECTION,
    "nodes.ssh.bastion.privateKey": CONNECTION,
    "nodes.labels": EFFECT,
    "nodes.taints": EFFECT,
    "nodes.options": EFFECT,
    "machine.disks.device": SCRIPTED,
    "machine.disks.uuid": SCRIPTED,
    "nodes.machine.disks.device": SCRIPTED,
    "nodes.machine.disks.uuid": SCRIPTED,
    "machine.mounts.type": SCRIPTED,
    "machine.mounts.device": SCRIPTED,
    "machine.mounts.options": SCRIPTED,
    "machine.mounts.username": SCRIPTED,
    "machine.mounts.password": SCRIPTED,
    "machine.watchdog": SCRIPTED,
    "machine.unattendedUpgrades": SCRIPTED,
    "nodes.machine.mounts.type": SCRIPTED,
    "nodes.machine.mounts.device": SCRIPTED,
    "nodes.machine.mounts.options": SCRIPTED,
    "nodes.machine.mounts.username": SCRIPTED,
    "nodes.machine.mounts.password": SCRIPTED,
    "nodes.machine.watchdog": SCRIPTED,
    "nodes.machine.unattendedUpgrades": SCRIPTED,
    **{
        f"{place}.commands.{field}": SCRIPTED if field == "reboot" else OPTIONS
        for place in ("machine", "nodes.machine")
        for field in ("create", "update", "delete", "triggers", "when", "reboot")
    },
    "machine.packageUpgrade": UPDATES,
    "nodes.machine.packageUpgrade": UPDATES,
    "machine.timezone": MACHINE,
    "machine.timeServers": MACHINE,
    "machine.dnsServers": MACHINE,
    "machine.packages": MACHINE,
    "machine.sysctl": MACHINE,
    "machine.kernelModules": MACHINE,
    "machine.kernelParameters": MACHINE,
    "machine.files.content": MACHINE,
    "machine.files.contentFrom": MACHINE,
    "machine.files.mode": MACHINE,
    "machine.files.owner": MACHINE,
    "machine.files.restart": MACHINE,
    "nodes.machine.timezone": MACHINE,
    "nodes.machine.timeServers": MACHINE,
    "nodes.machine.dnsServers": MACHINE,
    "nodes.machine.packages": MACHINE,
    "nodes.machine.sysctl": MACHINE,
    "nodes.machine.kernelModules": MACHINE,
    "nodes.machine.kernelParameters": MACHINE,
    "nodes.machine.files.content": MACHINE,
    "nodes.machine.files.contentFrom": MACHINE,
    "nodes.machine.files.mode": MACHINE,
    "nodes.machine.files.owner": MACHINE,
    "nodes.machine.files.restart": MACHINE,
}


def fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The paths of all fields below a model, lists and maps by their element."""
    for field in model.model_fields.values():
        below = [m for m in _models(field.annotation) if m.__name__ != "SecretRef"]
        here = f"{path}{field.alias}"
        if below:
            yield from fields(below[0], f"{here}.")
        else:
            yield here


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


def test_every_field_has_an_outcome() -> None:
    assert sorted(OUTCOMES) == sorted(fields(ClusterSettings))
