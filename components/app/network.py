"""NetworkPolicies of an app: nothing may connect to anything, but what is listed here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi

from components.app import database, destinations, traces
from components.app.objects import NAMESPACE_LABEL, has_jobs, job_labels, labels, metadata
from components.app.port_settings import AppLoadBalancerSettings
from components.app.postgres_settings import PostgresSettings
from components.app.settings import AppDestinationSettings, AppSettings
from components.app.surroundings import ObjectStoreOutput, Surroundings
from components.manifest import Manifest, Tree

SOLVER = {"acme.cert-manager.io/http01-solver": "true"}
"""Label of the pods with which cert-manager proves that a host is ours."""
SOLVER_PORT = 8089
POLICIES = ("job", "acme")
"""What names of the app's further NetworkPolicies end with."""
MONITORING = "monitoring"
"""Namespace of what reads the metrics of databases, where there is such a thing."""


def policies(app: AppSettings, platform: Surroundings) -> Iterator[Manifest]:
    """Yield the NetworkPolicies of the app's namespace."""
    yield _policy(app, "default-deny", {}, (), _dns())
    yield _policy(app, app.name, labels(app), _ingress(app, platform), _egress(app, platform))
    if has_jobs(app):
        yield _policy(app, f"{app.name}-job", job_labels(app), (), _egress(app, platform))
    if app.hosts and app.tls.certificate:
        solver = _rule("from", [_namespace(platform.ingress_namespace)], [SOLVER_PORT])
        yield _policy(app, f"{app.name}-acme", SOLVER, [solver], ())
    if app.postgres is not None:
        yield _database(app, app.postgres, platform)
        if app.postgres.pooler is not None:
            yield _pooler(app, app.postgres, platform)


def _ingress(app: AppSettings, platform: Surroundings) -> list[Tree]:
    sources = [_namespace(platform.ingress_namespace)] if app.hosts else []
    inside = [_namespace(name) for name in app.allow.from_]
    rules = [_rule("from", sources + inside, [app.port])] if sources + inside else []
    further = [{"protocol": each.protocol, "port": each.port} for each in app.ports.values()]
    if inside and further:
        rules.append({"from": inside, "ports": further})
    if app.load_balancer:
        rules.append({"from": _callers(app.load_balancer, platform), "ports": further})
    return rules


def _callers(given: AppLoadBalancerSettings, platform: Surroundings) -> Tree:
    """Who may connect to the load balancer: no pod, unless it is named."""
    if given.from_:
        return [{"ipBlock": {"cidr": network}} for network in given.from_]
    return platform.cluster_networks.apply(destinations.outside)


def _egress(app: AppSettings, platform: Surroundings) -> list[Tree]:
    rules = [_rule("to", [_place(place)], place.ports) for place in app.allow.to]
    if app.allow.internet:
        rules.append({"to": destinations.PUBLIC})
    if app.traces:
        rules.append(_rule("to", [_namespace(traces.namespace(platform))], [traces.port(platform)]))
    if app.postgres is not None:
        pods = _pool(app, app.postgres) if app.postgres.pooler else _instances(app, app.postgres)
        rules.append(_rule("to", [_pods(pods)], [database.PORT]))
    return rules


def _dns() -> list[Tree]:
    resolver = {**_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return [{"to": [resolver], "ports": [{"protocol": each, "port": 53} for each in ("UDP", "TCP")]}]


def _database(app: AppSettings, postgres: PostgresSettings, platform: Surroundings) -> Manifest:
    """The instances among themselves, the operator, the app; the Kubernetes API and the object store."""
    pods = _instances(app, postgres)
    clients = [pods, _pool(app, postgres)] if postgres.pooler else [pods, *_clients_of_database(app)]
    inward = [
        _rule("from", [_pods(each) for each in clients], [database.PORT]),
        _rule("from", [_pods(pods), _namespace(platform.database_operator)], [database.PORT, database.STATUS_PORT]),
        _rule("from", [_namespace(MONITORING)], [database.METRICS_PORT]),
    ]
    outward = [
        _rule("to", [_pods(pods)], [database.PORT, database.STATUS_PORT]),
        platform.nodes.apply(destinations.api),
    ]
    if postgres.backup or postgres.restore:
        both = pulumi.Output.all(platform.database_backup, platform.cluster_networks)
        outward.append(pulumi.Output.unsecret(both.apply(lambda found: _store(*found))))
    return _policy(app, database.archive(app, postgres), pods, inward, outward)


def _pooler(app: AppSettings, postgres: PostgresSettings, platform: Surroundings) -> Manifest:
    inward = [_rule("from", [_pods(each) for each in _clients_of_database(app)], [database.PORT])]
    instances = _rule("to", [_pods(_instances(app, postgres))], [database.PORT])
    outward = [instances, platform.nodes.apply(destinations.api)]
    return _policy(app, database.pooler_name(app, postgres), _pool(app, postgres), inward, outward)


def _clients_of_database(app: AppSettings) -> list[dict[str, str]]:
    return [labels(app), *([job_labels(app)] if has_jobs(app) else [])]


def _instances(app: AppSettings, postgres: PostgresSettings) -> dict[str, str]:
    return {"cnpg.io/cluster": database.archive(app, postgres)}


def _pool(app: AppSettings, postgres: PostgresSettings) -> dict[str, str]:
    return {"cnpg.io/poolerName": database.pooler_name(app, postgres)}


def _store(given: ObjectStoreOutput | None, inside: Sequence[str]) -> Tree:
    """The rule; without a store nothing is deployed at all, and the app is told why."""
    return destinations.store(given["endpoint"], inside) if given else {"to": [destinations.block("127.0.0.1")]}


def _place(place: AppDestinationSettings) -> Tree:
    return {"ipBlock": {"cidr": place.network}} if place.network else _namespace(place.namespace)


def _namespace(name: pulumi.Input[str | None] | None) -> dict[str, Tree]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}}


def _pods(chosen: Mapping[str, str]) -> Tree:
    return {"podSelector": {"matchLabels": dict(chosen)}}


def _rule(direction: str, peers: Sequence[Tree], ports: Sequence[Any]) -> Tree:
    """A rule; without peers it is for every address, without ports for every port."""
    tcp = [{"protocol": "TCP", "port": port} for port in ports]
    return ({direction: list(peers)} if peers else {}) | ({"ports": tcp} if tcp else {})


def _policy(
    app: AppSettings, name: str, pods: Mapping[str, str], inward: Sequence[Tree], outward: Sequence[Tree]
) -> Manifest:
    spec = {
        "podSelector": {"matchLabels": dict(pods)} if pods else {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": list(inward),
        "egress": list(outward),
    }
    version = "networking.k8s.io/v1"
    return {"apiVersion": version, "kind": "NetworkPolicy", "metadata": metadata(app, name), "spec": spec}
