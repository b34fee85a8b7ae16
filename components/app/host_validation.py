"""Checks of an app's access to its nodes: devices, GPUs, hostNetwork and the Pod Security level."""

from components.app import devices, host_network, security
from components.app.objects import has_other_pods, several_pods_setting
from components.app.settings import AppSettings
from components.settings.errors import Findings


def _device_nodes(app: AppSettings) -> Findings:
    """Check that the app runs only on nodes that have its devices."""
    required = devices.required_node(app)
    for index, device in enumerate(app.devices):
        loc = ("devices", index, "node")
        if device.node and device.node != required:
            reason = f"is not {required}, which is the node of another device or hostPath volume"
            yield loc, reason, "use devices and folders of one node"
        if not (device.node or required or app.nodes):
            reason = "is missing: Kubernetes could start the pod on a node without the device"
            yield loc, reason, "set node, or set the app's nodes to a label of the nodes that have the device"


def _device_paths(app: AppSettings) -> Findings:
    for index, device in enumerate(app.devices):
        if ":" in device.container_path:
            reason = "is missing, but `path` contains a colon, which Kubernetes does not allow in a container"
            yield ("devices", index, "mountPath"), reason, "add it, such as /dev/ttyUSB0"


def _device_pods(app: AppSettings) -> Findings:
    """Check that an app with several replicas has no device that only one pod can use."""
    single, setting = devices.exclusive_settings(app), several_pods_setting(app)
    if single and setting:
        reason = f"requests several pods, but only one pod may use {' and '.join(single)}"
        yield (setting,), reason, f"remove {setting}, or set shared: true for a device that several programs may open"


def _device_strategy(app: AppSettings) -> Findings:
    if app.strategy and devices.exclusive_settings(app):
        reason = "has no effect: devices that are not shared require a StatefulSet"
        yield ("strategy",), reason, "share the devices, or remove strategy"


def _device_capabilities(app: AppSettings) -> Findings:
    alone = not (app.sidecars or app.init_containers or has_other_pods(app))
    if app.devices and app.capabilities and alone and not app.privileged:
        reason = "has no effect: devices make the container privileged, which includes all capabilities"
        yield ("capabilities",), reason, "remove it"


def _pod_security(app: AppSettings) -> Findings:
    if app.pod_security is None:
        return
    needs = [need for need in security.level_requirements(app) if need[0] != "podSecurity"]
    for setting, level in needs:
        if security.LEVELS.index(level) >= security.LEVELS.index(app.pod_security):
            reason = f"has no effect: {setting} already requires the Pod Security level {level}"
            yield ("podSecurity",), reason, "remove it"
            return


def _host_network(app: AppSettings) -> Findings:
    """Reject settings that cannot work or have no effect together with hostNetwork."""
    if not app.host_network:
        return
    remove = "remove it, or remove hostNetwork"
    if app.load_balancer:
        reason = "has no effect with hostNetwork: the ports are open on the nodes' own addresses"
        yield ("loadBalancer",), reason, remove
    if app.strategy:
        reason = "starts new pods before old pods stop, but with hostNetwork only one pod per node can open the ports"
        yield ("strategy",), reason, remove
    reason = "accepts connections only from pods' addresses, but pods with hostNetwork have their node's address"
    for setting, server in (("postgres", app.postgres), ("mariadb", app.mariadb), ("valkey", app.valkey)):
        if server:
            yield (setting,), reason, remove
    reason = "has no effect with hostNetwork: NetworkPolicies do not apply to the app's pods"
    if app.allow.from_:
        yield ("allow", "from"), reason, "remove it"
    for key, is_set in (("to", app.allow.to), ("internet", app.allow.internet)):
        if is_set and not has_other_pods(app):
            yield ("allow", key), reason, "remove it"


def _host_ports(app: AppSettings) -> Findings:
    for loc, number, protocol in host_network.listened_ports(app) if app.host_network else ():
        if user := host_network.port_user(number, protocol):
            yield loc, f"is a port of {user} on the nodes", "choose another port, or remove hostNetwork"
        elif host_network.needs_capability(app, number):
            reason = "is below 1024: with hostNetwork, such a port needs the capability NET_BIND_SERVICE"
            yield loc, reason, "add capabilities: [NET_BIND_SERVICE], or use 1024 or more"


HOST_CHECKS = (
    _device_nodes,
    _device_paths,
    _device_pods,
    _device_strategy,
    _device_capabilities,
    _pod_security,
    _host_network,
    _host_ports,
)
