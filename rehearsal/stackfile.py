"""The stack file of a rehearsal: the user's own, but for what belongs to the hardware."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.model import NAMESPACE
from stacks.stackfile import short_name

SSH_SECRET = "rehearsalSshKey"  # noqa: S105  # a name
_SALT = "encryptionsalt"
_PROVIDER_KEYS = (_SALT, "encryptedkey", "secretsprovider")


@dataclass(frozen=True)
class Facts:
    """What the rehearsal has instead. `host_keys` and `kept` bastions are by address."""

    host_keys: Mapping[str, str]
    private_key: str
    mirror: str
    pins: Mapping[str, str]
    chart_pins: Mapping[str, str]


@dataclass(frozen=True)
class Replacement:
    """One line of the table: what the user's file says there, and what the rehearsal's copy says."""

    what: str
    instead: str


@dataclass
class Derived:
    """A stack file: `document` still lacks `secrets`, by full configuration key."""

    document: Any
    secrets: dict[str, str] = field(default_factory=dict)
    replacements: list[Replacement] = field(default_factory=list)

    def write(self, target: Path) -> dict[str, str]:
        """Write it; returns the secrets that Pulumi must still encrypt into it.

        What it encrypted into an earlier `target` stays, because another ciphertext would say nothing new.
        """
        old = _yaml().load(target) if target.exists() else {}
        config, missing = self.document["config"], {}
        if _SALT in old:
            self.document[_SALT] = old[_SALT]
        for key, value in self.secrets.items():
            if _SALT in old and _is_ciphertext(old["config"].get(key)):
                config[key] = old["config"][key]
            else:
                missing[key] = value
        text = io.StringIO()
        _yaml().dump(self.document, text)
        target.write_text(text.getvalue())
        return missing


def derive(source: Path, facts: Facts) -> Derived:
    """Read the user's file, which must be valid, and put in what the rehearsal has instead."""
    derived = Derived(_yaml().load(source))
    for key in _PROVIDER_KEYS:
        derived.document.pop(key, None)
    config = derived.document["config"]
    _secrets(derived)
    if cluster := config.get(f"{NAMESPACE}:cluster"):
        _host_keys(derived, cluster, facts)
        _login(derived, cluster, facts)
        _artefacts(derived, cluster, facts)
        _registries(derived, cluster, facts)
    if (platform := config.get(f"{NAMESPACE}:platform")) is not None:
        _repositories(derived, platform, facts)
        platform["chartMirror"] = f"{facts.mirror}/charts"
        platform["pins"] = {**(platform.get("pins") or {}), **facts.chart_pins}
        derived.replacements.append(Replacement("platform.pins", "checksums of the charts that stand in"))
        derived.replacements.append(Replacement("platform.chartMirror", platform["chartMirror"]))
    if app := config.get(f"{NAMESPACE}:app"):
        app["platform"] = short_name(app["platform"])  # the lab knows no organization of yours
    return derived


def is_app(source: Path) -> bool:
    """Whether a stack file describes an app."""
    return f"{NAMESPACE}:app" in (_yaml().load(source).get("config") or {})


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def _is_ciphertext(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _secrets(derived: Derived) -> None:
    config = derived.document["config"]
    for key in [key for key, value in config.items() if _is_ciphertext(value)]:
        del config[key]
        derived.secrets[key] = f"rehearsal-{key.rpartition(':')[2]}"
    _blank_nested(config)
    if derived.secrets:
        names = ", ".join(key.removeprefix(f"{NAMESPACE}:") for key in derived.secrets)
        derived.replacements.append(Replacement(f"secrets {names}", "placeholders; yours are never read"))


def _blank_nested(value: Any) -> None:
    """Replace ciphertexts inside other namespaces' values, in place."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        if _is_ciphertext(value[key]):
            value[key] = "rehearsal"
        else:
            _blank_nested(value[key])


def _bastions(cluster: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping that has a bastion, and the bastion."""
    for place in (cluster, *cluster["nodes"]):
        ssh = place.get("ssh") or {}
        if ssh.get("bastion"):
            yield ssh, ssh["bastion"]


def _host_keys(derived: Derived, cluster: Any, facts: Facts) -> None:
    for node in cluster["nodes"]:
        node["hostKey"] = facts.host_keys[node["address"]]
    derived.replacements.append(Replacement("host keys", "those of the simulated machines"))
    for ssh, bastion in _bastions(cluster):
        if bastion["address"] in facts.host_keys:
            bastion["hostKey"] = facts.host_keys[bastion["address"]]
            continue
        # `null` on a node means none at all, a missing key the cluster's
        ssh["bastion"] = None
        derived.replacements.append(Replacement(f"bastion {bastion['address']}", "left out: it is outside the lan"))


def _login(derived: Derived, cluster: Any, facts: Facts) -> None:
    """The lab's key wherever the user's file names one, or the agent."""
    places = [cluster["ssh"], *(node["ssh"] for node in cluster["nodes"] if node.get("ssh"))]
    for ssh in places:
        if ssh.get("agent"):
            ssh["agent"] = False
            ssh["privateKey"] = {"secret": SSH_SECRET}
    places += [bastion for _, bastion in _bastions(cluster)]
    for place in places:
        if place.get("privateKey"):
            derived.secrets[f"{NAMESPACE}:{place['privateKey']['secret']}"] = facts.private_key
    derived.replacements.append(Replacement("SSH key or agent", "a key made for this rehearsal"))


def _artefacts(derived: Derived, cluster: Any, facts: Facts) -> None:
    k3s = cluster.setdefault("k3s", {})
    k3s["mirror"] = facts.mirror
    k3s["pins"] = dict(facts.pins)
    derived.replacements.append(Replacement("k3s.mirror, k3s.pins", f"{facts.mirror} and its checksums"))


def _repositories(derived: Derived, platform: Any, facts: Facts) -> None:
    """The lab's key to repositories over SSH: it opens those of the lab's Git server."""
    repositories = ((platform.get("argocd") or {}).get("repositories") or {}).values()
    keys = [each["sshKey"]["secret"] for each in repositories if each.get("sshKey")]
    for key in keys:
        derived.secrets[f"{NAMESPACE}:{key}"] = facts.private_key
    if keys:
        derived.replacements.append(Replacement(f"secrets {', '.join(keys)}", "the lab's key, for its repositories"))


def _registries(derived: Derived, cluster: Any, facts: Facts) -> None:
    """The lab's registry before all mirrors, and as the mirror of all other registries."""
    mirrors = cluster.setdefault("registries", {}).setdefault("mirrors", {})
    mirrors.setdefault("*", {})
    for mirror in mirrors.values():
        mirror["endpoints"] = [facts.mirror, *(mirror.get("endpoints") or ())]
    derived.replacements.append(Replacement("registries.mirrors", f"{facts.mirror}, which has what is built here"))
