"""Stack outputs of a lab stack, with their types. App stacks read the stack outputs of a lab stack."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Self

import pulumi
import yaml

from components.app.platform_outputs import AppPlatformOutputs, none_output, since
from components.app.requirements import RequiredOutput
from components.cluster.certificate_validity import Validity
from components.layers.shared.address_pools import can_assign
from components.settings.model import NAMESPACE, camel_case
from stacks.validation_errors import suggest_fix

PlatformCheck = Callable[[Sequence[Mapping[str, Any]], str], Iterator[tuple[str, str, str]]]
"""A check with the platform's nodes and domain, which yields the path, the reason and the fix of each conflict."""


@dataclass(frozen=True, kw_only=True)
class PlatformOutputs(AppPlatformOutputs):
    """Facts about the cluster and its platform, which app stacks read as stack outputs.

    Each field is a stack output, whose name is the field's name in camelCase. The stack has no outputs of disabled
    layers.
    """

    name: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """Name of the cluster."""
    endpoint: pulumi.Output[str] = field(metadata=since("0.1.0"))
    """URL of the Kubernetes API."""
    version: pulumi.Output[str] = field(metadata=since("0.2.0"))
    """Version of homelab that created the stack outputs."""
    ingress_address: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "traefik"))
    """IP address of the Ingress controller (Traefik)."""
    gitops_namespace: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "argocd"))
    """Namespace of Argo CD."""
    kafka_bootstrap: pulumi.Output[str | None] = field(default_factory=none_output, metadata=since("0.2.0", "kafka"))
    """Bootstrap address of the Kafka cluster, as host and port."""
    cassandra_contact: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "cassandra")
    )
    """Contact point of the Cassandra cluster, as host and port."""
    sealing_certificate: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "sealedSecrets")
    )
    """Certificate (PEM) with which users seal secrets; None if the stack file contains no certificate."""
    object_store_endpoint: pulumi.Output[str | None] = field(
        default_factory=none_output, metadata=since("0.2.0", "seaweedfs")
    )
    """URL at which pods reach the lab's own S3 service."""
    monitoring: pulumi.Output[bool] = field(metadata=since("0.2.0"))
    """Whether Prometheus collects metrics from ServiceMonitors."""

    def export(self) -> None:
        """Export every field as a stack output of the lab stack."""
        for output_field in fields(self):
            pulumi.export(camel_case(output_field.name), getattr(self, output_field.name))

    @classmethod
    def of_stack(cls, stack: pulumi.StackReference) -> Self:
        """Read the stack outputs of the platform from the platform's stack.

        If the platform was deployed by a version of homelab that lacks an output, the program ends with an error that
        names the required version.
        """
        return cls(
            **{output_field.name: _read(output_field, stack.get_output, stack.name) for output_field in fields(cls)}
        )

    @classmethod
    def of_text(cls, text: pulumi.Output[str], stack: str, setting: str) -> Self:
        """Read the outputs of the platform's stack `stack` from a secret with the output of `./homelab platform`.

        `setting` is the path of the setting that names the secret.
        """
        parsed = text.apply(lambda value: _parsed(value, setting))

        def output(name: str) -> pulumi.Output[Any]:
            return parsed.apply(lambda values: values.get(name))

        name = pulumi.Output.from_input(stack)
        values = {output_field: _read(output_field, output, name) for output_field in fields(cls)}
        return cls(**{
            output_field.name: value if output_field.metadata["secret"] else pulumi.Output.unsecret(value)
            for output_field, value in values.items()
        })  # fmt: skip

    def require(
        self, needs: Sequence[RequiredOutput], platform_check: PlatformCheck, stack: str, renewal_fix: str
    ) -> Self:
        """Return a copy of the outputs, whose kubeconfig resolves only if the platform meets all `needs`.

        `platform_check` yields each setting of an app that does not fit the nodes and the domain of the platform.
        `needs` and `platform_check` contain whole paths of settings, such as `homelab:app.hosts`. `stack` is the name
        of the stack that contains the platform. `renewal_fix` tells users how to renew a kubeconfig that has expired.
        """
        names = {name for need in needs for name in (need.output, need.default) if name}
        needed = {name: getattr(self, name) for name in names}
        # Pulumi marks every output that depends on this check as a secret, so only the kubeconfig depends on the check
        values = pulumi.Output.all(app_kubeconfig=self.app_kubeconfig, nodes=self.nodes, domain=self.domain, **needed)
        return replace(
            self, app_kubeconfig=values.apply(lambda all_: _checked(all_, needs, platform_check, stack, renewal_fix))
        )


def _parsed(text: str, setting: str) -> dict[str, Any]:
    try:
        outputs = json.loads(text)
    except json.JSONDecodeError:
        outputs = None
    if not isinstance(outputs, dict):
        raise pulumi.RunError(f"{setting}: the secret is not the output of `./homelab platform`; set the secret again")
    return outputs


def _read(
    output_field: "Field[Any]", output: Callable[[str], pulumi.Output[Any]], stack: pulumi.Output[str]
) -> pulumi.Output[Any]:
    arguments = pulumi.Output.all(output(camel_case(output_field.name)), output("version"), stack)
    return arguments.apply(lambda values: _require_present(output_field, *values))


def _require_present(output_field: "Field[Any]", value: Any, version: str | None, stack: str) -> Any:
    """Return an output's value.

    Raises `pulumi.RunError` if the platform was deployed by a version of homelab that lacks the output.
    """
    introduced = output_field.metadata["since"]
    # Pulumi does not store an output whose value is None, so the stack lacks the outputs of disabled layers
    optional = bool(output_field.metadata["layer"])
    if value is None and (not optional or _version_tuple(version or "0") < _version_tuple(introduced)):
        deployer = f"homelab {version}" if version else "a homelab older than 0.2.0"
        reason = f"has no output {camel_case(output_field.name)}, which needs homelab {introduced} or newer"
        fix = "run `pulumi up` on that stack with a newer version of homelab"
        raise pulumi.RunError(f"the platform of stack {stack} {reason}; the platform was deployed by {deployer}: {fix}")
    return value


def _checked(
    values: dict[str, Any], needs: Sequence[RequiredOutput], check: PlatformCheck, stack: str, renew: str
) -> str:
    """Return the kubeconfig. Raises `pulumi.RunError` if the platform does not meet all `needs`."""
    lacking = [text for need in needs for text in _lacking(need, values, stack)]
    lacking += [f"{setting}: {reason}; {fix}" for setting, reason, fix in check(values["nodes"], values["domain"])]
    if lacking:
        heading = f"the platform of stack {stack} does not meet the needs of this app stack; no changes were made:"
        raise pulumi.RunError("\n  ".join((heading, *lacking)))
    text = str(values["app_kubeconfig"])
    validity = Validity.of_kubeconfig_user(yaml.safe_load(text)["users"][0]["user"])
    source = f"the kubeconfig from the platform of stack {stack}"
    if validity.is_expired:
        raise pulumi.RunError(f"{source} expired on {validity.end_text}: {renew}")
    if validity.needs_renewal:
        pulumi.log.warn(f"{source} expires on {validity.end_text}, in {validity.remaining.days} days: {renew}")
    return text


def _lacking(need: RequiredOutput, values: dict[str, Any], stack: str) -> list[str]:
    value = values[need.output]
    where, layer = need.setting, _LAYERS[need.output]
    if not value:
        key = layer if "." in layer else f"platform.{layer}"
        reason = f"needs {NAMESPACE}:{key}, which does not provide {camel_case(need.output)}"
        return [f"{where}: {reason}; enable this setting in stack {stack} and run `pulumi up` on that stack"]
    name = values[need.default] if need.default else need.name
    if name is not None and need.in_ranges:
        fix = f"use one of {', '.join(value)}"
        return [] if can_assign(value, name) else [f"{where}: is in no address pool of the platform; {fix}"]
    if name is not None and name not in value and need.missing_error:
        reason, fix = need.missing_error
        return [f"{where}: {reason}; {fix} in stack {stack} and run `pulumi up` on that stack"]
    if name is not None and name not in value:
        known: Collection[str] = value
        reference = f"is {name} by default" if need.default else f"names {name}"
        return [f"{where}: {reference}, which is not among {camel_case(need.output)}; {suggest_fix(name, known)}"]
    return []


def _version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split("."))


_LAYERS = {output_field.name: str(output_field.metadata["layer"]) for output_field in fields(PlatformOutputs)}
