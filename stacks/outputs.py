"""What the homelab stack gives to app stacks: one typed contract, for both sides."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Self

import pulumi
import yaml

from components.app.surroundings import Need, Surroundings, nothing, since
from components.model import NAMESPACE, camel
from components.pools import holds
from components.validity import Validity
from stacks.problems import meant

Places = Callable[[Sequence[Mapping[str, Any]]], Iterator[tuple[str, str, str]]]
"""From the nodes of the platform: settings that none of them meets, the reason, the fix."""


@dataclass(frozen=True, kw_only=True)
class PlatformOutputs(Surroundings):
    """The cluster and the platform on it, as another stack sees them.

    The outputs of the stack have the fields' names in camelCase. A field of a layer that is off is no output.
    """

    name: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """Name of the cluster."""
    endpoint: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """URL of the Kubernetes API."""
    version: pulumi.Output[str] = field(metadata=since("0.2.0"))
    """Version of the program that wrote the outputs."""
    ingress_address: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "traefik"))
    """Address on which the ingress controller answers."""
    gitops_namespace: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "argocd"))
    """Namespace of ArgoCD."""
    kafka_bootstrap: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "kafka"))
    """Where clients of the Kafka cluster begin."""
    cassandra_contact: pulumi.Output[str | None] = field(default_factory=nothing, metadata=since("0.2.0", "cassandra"))
    """Where clients of the Cassandra cluster begin."""
    sealing_certificate: pulumi.Output[str | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "sealedSecrets")
    )
    """Certificate that secrets are sealed with, as PEM, where it was given; public."""
    object_store_endpoint: pulumi.Output[str | None] = field(
        default_factory=nothing, metadata=since("0.2.0", "seaweedfs")
    )
    """URL under which pods reach the lab's own S3 service."""
    monitoring: pulumi.Output[bool] = field(metadata=since("0.2.0"))
    """Whether something reads ServiceMonitors."""

    def export(self) -> None:
        """Make every field an output of this stack."""
        for each in fields(self):
            pulumi.export(camel(each.name), getattr(self, each.name))

    @classmethod
    def of(cls, stack: pulumi.StackReference) -> Self:
        """Read the outputs of another stack.

        One that its platform is too old for ends the program with the version that brings it, when it is read.
        """
        return cls(**{each.name: _read(each, stack.get_output, stack.name) for each in fields(cls)})

    @classmethod
    def of_text(cls, text: pulumi.Output[str], stack: str) -> Self:
        """Read the outputs that `./homelab platform` printed, of a stack of this name; the text is a secret."""
        given = text.apply(_parsed)

        def output(name: str) -> pulumi.Output[Any]:
            return given.apply(lambda found: found.get(name))

        name = pulumi.Output.from_input(stack)
        found = {each: _read(each, output, name) for each in fields(cls)}
        return cls(**{
            each.name: value if each.metadata["secret"] else pulumi.Output.unsecret(value)
            for each, value in found.items()
        })  # fmt: skip

    def needing(self, needs: Sequence[Need], places: Places, stack: str, renew: str) -> Self:
        """The same, with a kubeconfig that nobody gets before all of `needs` are there.

        `places` yields what keeps the app from each of the nodes. `stack` is the platform's name, and `renew` says what
        to do when the certificate of the kubeconfig has ended.
        """
        names = {name for need in needs for name in (need.output, need.default) if name}
        given = {name: getattr(self, name) for name in names}
        # what an app lacks is no secret, and to look for it must not make one of what is none
        values = pulumi.Output.all(app_kubeconfig=self.app_kubeconfig, nodes=self.nodes, **given)
        return replace(self, app_kubeconfig=values.apply(lambda all_: _checked(all_, needs, places, stack, renew)))


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        where = f"{NAMESPACE}:app.platformOutputs"
        raise pulumi.RunError(f"{where}: its secret is not what `./homelab platform` prints; set it anew")
    return found


def _read(
    each: "Field[Any]", output: Callable[[str], pulumi.Output[Any]], stack: pulumi.Output[str]
) -> pulumi.Output[Any]:
    both = pulumi.Output.all(output(camel(each.name)), output("version"), stack)
    return both.apply(lambda found: _present(each, *found))


def _present(each: "Field[Any]", value: Any, version: str | None, stack: str) -> Any:
    """Return an output's value; raises `pulumi.RunError` if the platform is older than the output."""
    brings = each.metadata["since"]
    # Pulumi keeps no output that is None
    if value is None and (not each.metadata["layer"] or _number(version or "0") < _number(brings)):
        has = f"version {version}" if version else "a version older than 0.2.0"
        message = f"the platform of stack {stack} has no output {camel(each.name)}, which version {brings} brings"
        raise pulumi.RunError(f"{message}; it has {has}: run `pulumi up` on that stack with a newer one")
    return value


def _checked(values: dict[str, Any], needs: Sequence[Need], places: Places, stack: str, renew: str) -> str:
    """Return the kubeconfig; raises `pulumi.RunError` with everything that the platform lacks."""
    lacking = [text for need in needs for text in _lacking(need, values, stack)]
    lacking += [f"{NAMESPACE}:app.{key}: {reason}; {fix}" for key, reason, fix in places(values["nodes"])]
    if lacking:
        heading = f"the platform of stack {stack} lacks what this app needs; nothing was touched:"
        raise pulumi.RunError("\n  ".join((heading, *lacking)))
    text = str(values["app_kubeconfig"])
    validity = Validity.of(yaml.safe_load(text)["users"][0]["user"])
    given = f"the kubeconfig that the platform of stack {stack} gives"
    if validity.over:
        raise pulumi.RunError(f"{given} ended on {validity.end}: {renew}")
    if validity.due:
        pulumi.log.warn(f"{given} ends on {validity.end}, in {validity.left.days} days: {renew}")
    return text


def _lacking(need: Need, values: dict[str, Any], stack: str) -> list[str]:
    value = values[need.output]
    where, layer = f"{NAMESPACE}:app.{need.setting}", _LAYERS[need.output]
    if not value:
        key = layer if "." in layer else f"platform.{layer}"
        reason = f"needs {NAMESPACE}:{key}, which does not give {camel(need.output)}"
        return [f"{where}: {reason}; switch it on in stack {stack} and run `pulumi up` there"]
    name = values[need.default] if need.default else need.name
    if name is not None and need.within:
        fix = f"use one of {', '.join(value)}"
        return [] if holds(value, name) else [f"{where}: is in no pool of addresses of the platform; {fix}"]
    if name is not None and name not in value and need.lacks:
        reason, fix = need.lacks
        return [f"{where}: {reason}; {fix} in stack {stack} and run `pulumi up` there"]
    if name is not None and name not in value:
        known: Collection[str] = value
        given = f"is {name} by default" if need.default else f"names {name}"
        return [f"{where}: {given}, which is not among {camel(need.output)}; {meant(name, known)}"]
    return []


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split("."))


_LAYERS = {each.name: str(each.metadata["layer"]) for each in fields(PlatformOutputs)}
