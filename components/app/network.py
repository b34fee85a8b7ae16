"""NetworkPolicies of an app: default deny for ingress and egress, and rules for the allowed connections."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi

from components.app import backup, database, destinations, dns, hosts, mariadb, monitoring, tracing, valkey
from components.app.allow_settings import AppDestinationSettings
from components.app.objects import NAMESPACE_LABEL, job_labels, labels, metadata, worker_labels
from components.app.platform_outputs import AppPlatformOutputs, ObjectStoreOutput
from components.app.port_settings import AppLoadBalancerSettings
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppSettings
from components.cluster.k3s.hardening import SERVICELB_LABEL
from components.kubernetes.manifest import Json, Manifest

SOLVER_LABEL = {"acme.cert-manager.io/http01-solver": "true"}
"""Label of the pods that answer ACME HTTP-01 challenges for cert-manager."""
SOLVER_PORT = 8089
MONITORING_NAMESPACE = "monitoring"
"""Namespace of Prometheus, which scrapes the metrics of apps and databases if the layer `monitoring` is enabled."""


def policy_suffixes(app: AppSettings) -> tuple[str, ...]:
    """Return the suffixes in the names of the app's additional NetworkPolicies, such as `job` for the NetworkPolicy
    APP-job."""
    optional = {"worker": app.workers, "backup": app.backup, "mariadb": app.mariadb, "valkey": app.valkey}
    return ("job", "acme", *(name for name, is_set in optional.items() if is_set))


def policies(app: AppSettings, platform: AppPlatformOutputs) -> Iterator[Manifest]:
    """Yield the NetworkPolicies of the app's namespace."""
    yield _policy(app, "default-deny", {}, (), _dns())
    yield _policy(app, app.name, labels(app), _ingress(app, platform), _egress(app, platform))
    # every app has the policy for Jobs, because `./homelab app run` creates Jobs
    yield _policy(app, f"{app.name}-job", job_labels(app), (), _egress(app, platform))
    if app.workers:
        yield _policy(app, f"{app.name}-worker", worker_labels(app), (), _egress(app, platform))
    if hosts.certificate_hosts(app):
        solver = _rule("from", [_namespace(platform.ingress_namespace)], [SOLVER_PORT])
        yield _policy(app, f"{app.name}-acme", SOLVER_LABEL, [solver], ())
    if app.backup is not None:
        yield _policy(app, backup.name(app), backup.labels(app), (), _backup_egress(app, platform))
    if app.mariadb is not None:
        all_clients = [*_own_clients(app), *([backup.labels(app)] if app.backup else [])]
        clients = _rule("from", [_pods(client) for client in all_clients], [mariadb.PORT])
        yield _policy(app, mariadb.server_name(app), mariadb.labels(app), [clients], ())
    if app.valkey is not None:
        clients = _rule("from", [_pods(client) for client in _own_clients(app)], [valkey.PORT])
        yield _policy(app, valkey.server_name(app), valkey.labels(app), [clients], ())
    if app.postgres is not None:
        yield _database(app, app.postgres, platform)
        if app.postgres.pooler is not None:
            yield _pooler(app, app.postgres, platform)


def _ingress(app: AppSettings, platform: AppPlatformOutputs) -> list[Json]:
    sources = [_namespace(platform.ingress_namespace)] if app.hosts else []
    allowed = [_namespace(name) for name in app.allow.from_]
    rules = [_rule("from", sources + allowed, [app.port])] if sources + allowed else []
    numbers = dict.fromkeys((port.protocol, port.in_pods) for port in app.ports.values())
    extra_ports = [{"protocol": protocol, "port": number} for protocol, number in numbers]
    if allowed and extra_ports:
        rules.append({"from": allowed, "ports": extra_ports})
    if (number := monitoring.metrics_port(app)) is not None:
        rules.append(_rule("from", [_namespace(MONITORING_NAMESPACE)], [number]))
    if app.load_balancer:
        rules.append({"from": _load_balancer_clients(app.load_balancer, platform), "ports": extra_ports})
        rules.append({"from": [_servicelb(f"{app.name}-lb")], "ports": extra_ports})
    return rules


def _load_balancer_clients(settings: AppLoadBalancerSettings, platform: AppPlatformOutputs) -> Json:
    """Return the NetworkPolicy peers that may connect to the load balancer: by default, every IP address outside the
    cluster."""
    if settings.from_:
        return [{"ipBlock": {"cidr": network}} for network in settings.from_]
    return platform.cluster_networks.apply(destinations.peers_outside)


def _servicelb(service: str) -> Json:
    """Return the NetworkPolicy peer for the pods of K3s' ServiceLB, which hide the client's IP address.

    These pods accept only clients in the Service's loadBalancerSourceRanges.
    """
    return {**_namespace("kube-system"), **_pods({SERVICELB_LABEL: service})}


def _egress(app: AppSettings, platform: AppPlatformOutputs) -> list[Json]:
    rules = [_rule("to", [_destination(destination)], destination.ports) for destination in app.allow.to]
    if app.allow.internet:
        rules.append({"to": destinations.PUBLIC_PEERS})
    rules += dns.egress(app)
    if app.service_account is not None:
        rules.append(platform.nodes.apply(destinations.api_rule))
    if app.traces:
        rules.append(_rule("to", [_namespace(tracing.endpoint_namespace(platform))], [tracing.endpoint_port(platform)]))
    if app.mariadb is not None:
        rules.append(_rule("to", [_pods(mariadb.labels(app))], [mariadb.PORT]))
    if app.valkey is not None:
        rules.append(_rule("to", [_pods(valkey.labels(app))], [valkey.PORT]))
    if app.postgres is not None:
        pods = _pooler_labels(app, app.postgres) if app.postgres.pooler else _instance_labels(app, app.postgres)
        rules.append(_rule("to", [_pods(pods)], [database.PORT]))
    return rules


def _backup_egress(app: AppSettings, platform: AppPlatformOutputs) -> list[Json]:
    server = [_rule("to", [_pods(mariadb.labels(app))], [mariadb.PORT])] if app.mariadb else []
    return [*server, _store_rule(platform.volume_backup, platform)]


def _store_rule(store: pulumi.Output[ObjectStoreOutput | None], platform: AppPlatformOutputs) -> Json:
    both = pulumi.Output.all(store, platform.cluster_networks)
    return pulumi.Output.unsecret(both.apply(lambda store_and_cidrs: _object_store(*store_and_cidrs)))


def _dns() -> list[Json]:
    resolver = {**_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return [{"to": [resolver], "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}]


def _database(app: AppSettings, postgres: PostgresSettings, platform: AppPlatformOutputs) -> Manifest:
    """Return the NetworkPolicy for the PostgreSQL pods of the app's database."""
    pods = _instance_labels(app, postgres)
    clients = [pods, _pooler_labels(app, postgres)] if postgres.pooler else [pods, *_own_clients(app)]
    inward = [
        _rule("from", [_pods(client) for client in clients], [database.PORT]),
        _rule("from", [_pods(pods), _namespace(platform.database_operator)], [database.PORT, database.STATUS_PORT]),
        _rule("from", [_namespace(MONITORING_NAMESPACE)], [database.METRICS_PORT]),
    ]
    outward = [
        _rule("to", [_pods(pods)], [database.PORT, database.STATUS_PORT]),
        platform.nodes.apply(destinations.api_rule),
    ]
    if postgres.backup or postgres.restore:
        outward.append(_store_rule(platform.database_backup, platform))
    return _policy(app, database.cluster_name(app, postgres), pods, inward, outward)


def _pooler(app: AppSettings, postgres: PostgresSettings, platform: AppPlatformOutputs) -> Manifest:
    inward = [_rule("from", [_pods(client) for client in _own_clients(app)], [database.PORT])]
    instances = _rule("to", [_pods(_instance_labels(app, postgres))], [database.PORT])
    outward = [instances, platform.nodes.apply(destinations.api_rule)]
    return _policy(app, database.pooler_name(app, postgres), _pooler_labels(app, postgres), inward, outward)


def _own_clients(app: AppSettings) -> list[dict[str, str]]:
    return [labels(app), job_labels(app), *([worker_labels(app)] if app.workers else [])]


def _instance_labels(app: AppSettings, postgres: PostgresSettings) -> dict[str, str]:
    return {"cnpg.io/cluster": database.cluster_name(app, postgres)}


def _pooler_labels(app: AppSettings, postgres: PostgresSettings) -> dict[str, str]:
    return {"cnpg.io/poolerName": database.pooler_name(app, postgres)}


def _object_store(store: ObjectStoreOutput | None, inside: Sequence[str]) -> Json:
    """Return the egress rule that lets the database connect to the object store.

    For a platform without an object store, `PlatformOutputs.require()` reports an error.
    """
    return (
        destinations.object_store_rule(store["endpoint"], inside)
        if store
        else {"to": [destinations.ip_peer("127.0.0.1")]}
    )


def _destination(settings: AppDestinationSettings) -> Json:
    return {"ipBlock": {"cidr": settings.network}} if settings.network else _namespace(settings.namespace)


def _namespace(name: pulumi.Input[str | None] | None) -> dict[str, Json]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}}


def _pods(pod_labels: Mapping[str, str]) -> Json:
    return {"podSelector": {"matchLabels": dict(pod_labels)}}


def _rule(direction: str, peers: Sequence[Json], ports: Sequence[Any]) -> Json:
    """Return a rule. A NetworkPolicy rule without peers applies to every address, and a rule without ports applies to
    every port."""
    tcp = [{"protocol": "TCP", "port": port} for port in ports]
    return ({direction: list(peers)} if peers else {}) | ({"ports": tcp} if tcp else {})


def _policy(
    app: AppSettings, name: str, pods: Mapping[str, str], inward: Sequence[Json], outward: Sequence[Json]
) -> Manifest:
    spec = {
        "podSelector": {"matchLabels": dict(pods)} if pods else {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": list(inward),
        "egress": list(outward),
    }
    version = "networking.k8s.io/v1"
    return {"apiVersion": version, "kind": "NetworkPolicy", "metadata": metadata(app, name), "spec": spec}
