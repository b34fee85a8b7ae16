"""The stack file of a rehearsal: a copy of the user's stack file with the settings of the simulated machines."""

import base64
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.settings.model import NAMESPACE
from rehearsal.certificates import IssuingCa
from rehearsal.name_server import TSIG_SECRET
from stacks.app_sections import APP_SECTIONS
from stacks.stackfile import is_ciphertext, short_name

SSH_SECRET_NAME = "rehearsalSshKey"  # noqa: S105  # a name
_SALT = "encryptionsalt"
_PROVIDER_KEYS = (_SALT, "encryptedkey", "secretsprovider")


@dataclass(frozen=True)
class LabSettings:
    """The rehearsal's values, which replace settings of the user's stack file.

    `host_keys` maps machine addresses to SSH host keys.
    """

    host_keys: Mapping[str, str]
    private_key: str
    issuing_ca: IssuingCa
    mirror: str
    pins: Mapping[str, str]
    chart_pins: Mapping[str, str]


@dataclass(frozen=True)
class Replacement:
    """A row of the summary table `Real and simulated`: a setting, and its value in the rehearsal's stack file."""

    setting: str
    value: str


@dataclass
class DerivedStackFile:
    """The rehearsal's stack file: `document` has no secrets, and `secrets` maps configuration keys to plaintexts."""

    document: Any
    secrets: dict[str, str] = field(default_factory=dict)
    replacements: list[Replacement] = field(default_factory=list)

    def write(self, target: Path) -> dict[str, str]:
        """Write the stack file `target`; return the secrets that Pulumi must encrypt and add to the stack file.

        The new stack file reuses ciphertexts of an existing `target`, because the secrets' values never change.
        """
        old = _yaml().load(target) if target.exists() else {}
        config, missing = self.document["config"], {}
        if _SALT in old:
            self.document[_SALT] = old[_SALT]
        for key, value in self.secrets.items():
            if _SALT in old and is_ciphertext(old["config"].get(key)):
                config[key] = old["config"][key]
            else:
                missing[key] = value
        text = io.StringIO()
        _yaml().dump(self.document, text)
        target.write_text(text.getvalue())
        return missing


def derive(source: Path, lab: LabSettings) -> DerivedStackFile:
    """Derive the rehearsal's stack file from the user's stack file, which must be valid."""
    derived = DerivedStackFile(_yaml().load(source))
    for key in _PROVIDER_KEYS:
        derived.document.pop(key, None)
    config = derived.document["config"]
    _secrets(derived)
    if cluster := config.get(f"{NAMESPACE}:cluster"):
        _host_keys(derived, cluster, lab)
        _login(derived, cluster, lab)
        _artefacts(derived, cluster, lab)
        _issuing_ca(derived, cluster, lab)
        _registries(derived, cluster, lab)
    if (platform := config.get(f"{NAMESPACE}:platform")) is not None:
        _repositories(derived, platform, lab)
        _tsig_key(derived, platform)
        platform["chartMirror"] = f"{lab.mirror}/charts"
        platform["pins"] = {**(platform.get("pins") or {}), **lab.chart_pins}
        derived.replacements.append(Replacement("platform.pins", "checksums of the rehearsal's charts"))
        derived.replacements.append(Replacement("platform.chartMirror", platform["chartMirror"]))
    for section in APP_SECTIONS:
        if settings := config.get(f"{NAMESPACE}:{section.key}"):
            settings["platform"] = short_name(settings["platform"])  # the lab's backend has no organizations
            for app in (settings, *settings.values()):  # one app, or the apps of `homelab:apps`
                _htpasswd(derived, app)
    return derived


def is_app(source: Path) -> bool:
    """Return whether the stack file configures apps."""
    config = _yaml().load(source).get("config") or {}
    return any(f"{NAMESPACE}:{section.key}" in config for section in APP_SECTIONS)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def _secrets(derived: DerivedStackFile) -> None:
    config = derived.document["config"]
    for key in [key for key, value in config.items() if is_ciphertext(value)]:
        del config[key]
        derived.secrets[key] = f"rehearsal-{key.rpartition(':')[2]}"
    _blank_nested(config)
    if derived.secrets:
        names = ", ".join(key.removeprefix(f"{NAMESPACE}:") for key in derived.secrets)
        derived.replacements.append(
            Replacement(f"secrets {names}", "placeholders, because the rehearsal does not read your secrets")
        )


def _blank_nested(value: Any) -> None:
    """Replace all secrets that Pulumi has encrypted inside `value` with a placeholder."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        if is_ciphertext(value[key]):
            value[key] = "rehearsal"
        else:
            _blank_nested(value[key])


def _bastions(cluster: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each `ssh` mapping of the stack file that has a bastion, and the mapping of the bastion."""
    for scope in (cluster, *cluster["nodes"]):
        ssh = scope.get("ssh") or {}
        if ssh.get("bastion"):
            yield ssh, ssh["bastion"]


def _host_keys(derived: DerivedStackFile, cluster: Any, lab: LabSettings) -> None:
    for node in cluster["nodes"]:
        node["hostKey"] = lab.host_keys[node["address"]]
    derived.replacements.append(Replacement("host keys", "host keys of the simulated machines"))
    for ssh, bastion in _bastions(cluster):
        if bastion["address"] in lab.host_keys:
            bastion["hostKey"] = lab.host_keys[bastion["address"]]
            continue
        # `bastion: null` disables the bastion for a node; without the key, the node would use the cluster's bastion
        ssh["bastion"] = None
        derived.replacements.append(
            Replacement(f"bastion {bastion['address']}", "omitted, because the bastion is outside the LAN")
        )


def _login(derived: DerivedStackFile, cluster: Any, lab: LabSettings) -> None:
    """In the stack file, replace every SSH key and the setting `agent` with the rehearsal's SSH key."""
    owners = [cluster["ssh"], *(node["ssh"] for node in cluster["nodes"] if node.get("ssh"))]
    for ssh in owners:
        if ssh.get("agent"):
            ssh["agent"] = False
            ssh["privateKey"] = {"secret": SSH_SECRET_NAME}
    owners += [bastion for _, bastion in _bastions(cluster)]
    for owner in owners:
        if owner.get("privateKey"):
            derived.secrets[f"{NAMESPACE}:{owner['privateKey']['secret']}"] = lab.private_key
    derived.replacements.append(Replacement("SSH key or agent", "a key generated for this lab"))


def _issuing_ca(derived: DerivedStackFile, cluster: Any, lab: LabSettings) -> None:
    if ca := cluster["k3s"].get("ca"):
        ca["certificate"] = base64.b64encode(lab.issuing_ca.certificate.encode()).decode()
        derived.secrets[f"{NAMESPACE}:{ca['privateKey']['secret']}"] = lab.issuing_ca.key
        derived.replacements.append(Replacement("k3s.ca", "a CA generated for this lab"))


def _artefacts(derived: DerivedStackFile, cluster: Any, lab: LabSettings) -> None:
    k3s = cluster.setdefault("k3s", {})
    k3s["mirror"] = lab.mirror
    k3s["pins"] = dict(lab.pins)
    derived.replacements.append(Replacement("k3s.mirror, k3s.pins", f"{lab.mirror} and its checksums"))


def _repositories(derived: DerivedStackFile, platform: Any, lab: LabSettings) -> None:
    """Replace the SSH keys of Argo CD's repositories with the lab's SSH key, which the lab's Git server accepts."""
    repositories = ((platform.get("argocd") or {}).get("repositories") or {}).values()
    keys = [repository["sshKey"]["secret"] for repository in repositories if repository.get("sshKey")]
    for key in keys:
        derived.secrets[f"{NAMESPACE}:{key}"] = lab.private_key
    if keys:
        derived.replacements.append(Replacement(f"secrets {', '.join(keys)}", "the lab's key, for its Git server"))


def _tsig_key(derived: DerivedStackFile, platform: Any) -> None:
    """Replace the TSIG key of DNS-01 challenges with the key that the rehearsal's DNS server accepts."""
    acme = (platform.get("certManager") or {}).get("acme") or {}
    if key := ((acme.get("rfc2136") or {}).get("tsigSecret") or {}).get("secret"):
        derived.secrets[f"{NAMESPACE}:{key}"] = TSIG_SECRET
        derived.replacements.append(Replacement(f"secret {key}", "the key of the lab's DNS server"))


def _htpasswd(derived: DerivedStackFile, app: Any) -> None:
    """Replace the htpasswd file of an app's Ingress: the user `rehearsal` has the password `rehearsal`."""
    ingress = app.get("ingress") if isinstance(app, Mapping) else None
    if secret := ((ingress or {}).get("basicAuth") or {}).get("htpasswd"):
        digest = base64.b64encode(hashlib.sha1(b"rehearsal", usedforsecurity=False).digest()).decode()
        derived.secrets[f"{NAMESPACE}:{secret['secret']}"] = f"rehearsal:{{SHA}}{digest}"


def _registries(derived: DerivedStackFile, cluster: Any, lab: LabSettings) -> None:
    """Make the rehearsal's registry the first mirror of every image registry, also of registries with other mirrors."""
    mirrors = cluster.setdefault("registries", {}).setdefault("mirrors", {})
    mirrors.setdefault("*", {})
    for mirror in mirrors.values():
        mirror["endpoints"] = [lab.mirror, *(mirror.get("endpoints") or ())]
    derived.replacements.append(Replacement("registries.mirrors", f"{lab.mirror}, the lab's registry, first"))
