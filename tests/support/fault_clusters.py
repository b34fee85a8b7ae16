"""Scripts that change the cluster, which is simulated with files, so that it outlives a killed script."""

from tests.support.certificates import certificate
from tests.support.faults import Scenario
from tests.support.machine_scripts import FakeMachine
from tests.unit.scripts.test_cluster_kubeconfigs import REQUESTS, TLS

KUBECTL = """
shift; [[ $1 != --request-timeout* ]] || shift
gone() { echo 'Error from server (NotFound): not found' >&2; exit 1; }
"""


def tools(answers: str) -> dict[str, str]:
    """Build the tools of a server with a ready API; `answers` are cases of `kubectl`'s arguments."""
    return {
        "k3s": f'{KUBECTL}case "$*" in\n{answers}\nesac',
        "curl": "",
        "sleep": "",
        "date": "echo 1000",
        "df": "echo 4096",
    }


NODES = tools("""
  'get node '*' --ignore-not-found'*) [ ! -e "node-$3" ] || echo "node/$3" ;;
  'get node b -o jsonpath={.spec.unschedulable}') [ ! -e cordon-b ] || echo true ;;
  'get node b -o jsonpath='*InternalIP*) echo 10.0.0.12 ;;
  'get node b -o jsonpath=ready='*) echo "ready=True voter=True cordoned=$([ ! -e note-b ] || echo true)" ;;
  'get node b -o jsonpath='*) cat node-b ;;
  'get node '*) [ -e "node-$3" ] || gone ;;
  'get nodes -l node-role.kubernetes.io/etcd'*)
    for each in a b c; do [ ! -e node-$each ] || echo "$each $(cat node-$each)$(cat node-$each)"; done ;;
  'get nodes -o jsonpath'*)
    for each in a b c; do [ ! -e node-$each ] || echo "$each $([ ! -e cordon-$each ] || echo true)"; done ;;
  'get crd '*--ignore-not-found*) ;;
  'get crd '*) exit 1 ;;
  'annotate node b homelab/cordoned=true --overwrite') touch note-b ;;
  'annotate node b homelab/cordoned-') rm -f note-b ;;
  'drain b '*) touch cordon-b; rm -f pods-b ;;
  'uncordon b') rm -f cordon-b ;;
  'delete node '*) rm "node-$3" || gone ;;
  'delete -n kube-system secret/'*) rm -f "password-${4:7:1}" "record-${4:7:1}" ;;
  'delete secret -n kube-system '*) rm -f "password-${6:0:1}" ;;
""")


def three_servers(fake: FakeMachine) -> None:
    """Create three servers that are Ready and etcd voters."""
    for node in "abc":
        fake.file(f"node-{node}").write_text("True")
        for kind in ("password", "record", "pods"):
            fake.file(f"{kind}-{node}").write_text(node)


def unreachable_server(fake: FakeMachine) -> None:
    """Create three servers, one of which is unreachable."""
    three_servers(fake)
    fake.file("node-b").write_text("Unknown")


def drained_node(fake: FakeMachine) -> None:
    three_servers(fake)
    for kind in ("cordon", "note"):
        fake.file(f"{kind}-b").touch()


def verify_no_trace(fake: FakeMachine) -> None:
    """Verify that no file of a removed node is left."""
    assert not [path.name for path in fake.root.glob("*-b") if path.name not in {"pods-b", "cordon-b"}]


LABELS = tools("""
  'get configmap '*) cat record 2>/dev/null || true ;;
  'apply '*) sed -n 's/.*"data": {"labels": \\(".*"\\), "taints": \\(".*"\\)}}/labels \\1\\ntaints \\2/p' >record ;;
  'get nodes -o go-template'*)
    echo 'b machine 1234'
    for each in $(ls has-label 2>/dev/null); do echo "b label $each"; done
    for each in $(ls has-taint 2>/dev/null); do echo "b taint $each"; done
    for each in $(ls noted 2>/dev/null); do echo "b $each \\"$(cat noted/$each)\\""; done ;;
  'label node '* | 'taint node '*)
    kind=$1; mkdir -p has-$kind
    for each in "${@:5}"; do
      case $kind/$each in
        */*-) rm "has-$kind/${each%-}" || gone ;;
        label/*) echo "${each#*=}" >"has-label/${each%%=*}" ;;
        *) echo "$each" >"has-taint/${each%%=*}:${each##*:}" ;;
      esac
    done ;;
  'annotate node '*)
    mkdir -p noted
    for each in "${@:5}"; do each=${each#homelab/}; echo "${each#*=}" >"noted/${each%%=*}"; done ;;
""")
LABEL = {"NODE": "b", "LABELS": "room=cellar\ndisk=ssd", "TAINTS": "fast=x:NoExecute"}


def labelled_node(fake: FakeMachine) -> None:
    """Set labels by an earlier run, and one label by hand."""
    fake.file("has-label/theirs").write_text("x\n")
    done = fake.run(
        "cluster/sync-labels", NODE="b", LABELS="room=attic\nold=yes", TAINTS="slow=x:NoSchedule\nfast=x:NoSchedule"
    )
    assert done.status == 0, done.errors


RIGHTS = tools("""
  'get namespace '*) [ -e "namespace-$3" ] ;;
  'get clusterrolebindings,rolebindings '*) cat rights/* 2>/dev/null || true ;;
  'apply '*)
    given=$(cat | tr -d '\\n'); mkdir -p rights
    field() { sed -n "s/.*\\"$1\\": \\"\\([^\\"]*\\)\\".*/\\1/p" <<<"$2"; }
    where=$(field namespace "$given"); name=$(field name "${given%%\\"labels\\"*}")
    role=$(field name "${given%%\\"subjects\\"*}")
    echo "${where:-*} $name $role $(field name "$given")" >"rights/$name" ;;
  'delete clusterrolebindings,'*) rm -rf rights ;;
  'delete '*) rm -f "rights/${2#*/}" ;;
""")
GRANT = {"RIGHTS": "* homelab-1 view ann\ndev homelab-2 edit bob\nnone homelab-3 edit bob"}


def granted_rights(fake: FakeMachine) -> None:
    fake.file("namespace-dev").touch()
    fake.file("rights/homelab-9").write_text("dev homelab-9 admin eve\n")
    fake.file("rights/homelab-8").write_text("* homelab-8 admin eve\n")


BINDINGS = tools("""
  'apply '*) cat >rights ;;
  'get rolebindings '*) for each in app-*; do echo "${each#app-} $(cat "$each")"; done ;;
  'patch rolebinding homelab:app -n '*) sed 's/.*"name": "\\([^"]*\\)".*/\\1/' <<<"${*: -1}" >"app-$5" ;;
""")
BIND = {"USERS": "homelab:admin homelab:admin-2\nhomelab:apps homelab:apps-2", "RIGHTS": "objects"}


def bound_apps(fake: FakeMachine) -> None:
    for app in ("shop", "blog"):
        fake.file(f"app-{app}").write_text("homelab:apps-1\n")


# each request has a name of its own, and the cluster removes what is left of them within a day
SIGNING = tools("""
  'create '*)
    cat >/dev/null; mkdir -p requests
    for each in 1 2; do n=$(ls requests | wc -l); touch requests/$n; echo "csr/$n"; done ;;
  'certificate approve '*) for each in "${@:3}"; do cp one "requests/$each"; done ;;
  'get certificatesigningrequests '*) for each in "${@:3:2}"; do cat "requests/$each"; done ;;
  'delete certificatesigningrequests '*) for each in "${@:3:2}"; do rm -f "requests/$each"; done ;;
  'annotate clusterrolebinding '*) echo "${*: -1}" >note ;;
""")


ONE = certificate(365)


def unsigned_requests(fake: FakeMachine) -> None:
    for name in ("client-ca", "server-ca"):
        fake.file(f"{TLS}/{name}.crt").write_text(name)
    fake.file("one").write_text(f"{ONE}\n")


CRDS = tools("""
  'apply '*) cat >crds; echo crd/as; echo crd/bs ;;
  'annotate '*) touch kept ;;
  'get crd/as '*) printf 'as   True\\nbs   True\\n' ;;
""")
CEPH = tools("""
  'get crds '*) echo customresourcedefinition.apiextensions.k8s.io/cephclusters.ceph.rook.io ;;
  'get secret/'*) ;;
  *'get '*) ls -d ceph/* | sed 's|^ceph/|ceph.rook.io/|' ;;
  'patch '*) rm -f "ceph/${2#*/}" ;;
  'delete ceph'*' --all '*) rm -f ceph/* ;;
esac; case "$*" in
  'delete '*) ;;
""")


def with_ceph(fake: FakeMachine) -> None:
    for each in ("pool", "cluster"):
        fake.file(f"ceph/{each}").touch()


APPLICATIONS = tools("""
  'get '*) for each in application-*; do echo "argoproj.io/$each"; done ;;
  'patch '*) [ -e "${2#*/}" ] || gone; echo free >"${2#*/}" ;;
""")


def with_applications(fake: FakeMachine) -> None:
    for each in "ab":
        fake.file(f"application-{each}").write_text("held\n")


HELM = tools("""
  'get secrets '*)
    for each in $(ls helm | grep -v superseded); do
      case $* in *"name=${each%%.*},"*) echo "lab/${each%%.*}:$each:${each##*.}" ;; esac
    done ;;
  'delete secrets '*'status!=uninstalling') rm -f helm/sub.*.superseded ;;
  'delete secret '*) rm "helm/${*: -1}" || gone ;;
""")


def interrupted_releases(fake: FakeMachine) -> None:
    for each in ("web.v2.pending-upgrade", "sub.v1.superseded", "sub.v2.uninstalling"):
        fake.file(f"helm/{each}").touch()


DNS = tools("""
  'scale deployment external-dns -n dns --replicas='*) echo "${*: -1}" >scale ;;
  'get deployment external-dns '*) echo '{"args":["--policy=sync"],"restartPolicy":"Always"}' ;;
  'wait pod '*) ;;
  'delete job '*) rm -f job ;;
  'create '*) [ ! -e job ] || { echo AlreadyExists >&2; exit 1; }; cat >job ;;
  'get job '*Complete*) [ ! -e job ] || echo True ;;
""")


def running_controller(fake: FakeMachine) -> None:
    fake.file("scale").write_text("--replicas=1\n")


# as K3s does it: until it is restarted it knows its clients by the token that it was started with
TOKENS = tools("""
  'get namespace kube-system '*) cat mark 2>/dev/null || true ;;
  'get nodes '*) echo v1.36.3+k3s1 ;;
  'annotate namespace kube-system '*) printf %s "${*: -1}" | cut -d= -f2 >mark ;;
""") | {
    "curl": """case $* in
  *readyz*) ;;
  *) [ "$(cat started)" = old ] || exit 22; cat >rotated ;;
esac"""
}
ROTATING = tools("") | {
    "curl": """case $* in
  *readyz*) ;;
  *) given=$(cat); [[ $given == *server:$(cat started)* ]] || exit 22; grep -o newToken.* <<<"$given" >rotated ;;
esac"""
}
TOKEN = {"VERSION": "v1.36.3+k3s1", "TOKEN": "new", "AGENT_TOKEN": "agents"}
PASSWORDS = "/var/lib/rancher/k3s/server/cred/passwd"


def with_token(fake: FakeMachine) -> None:
    fake.file("started").write_text("old")
    fake.file("/etc/rancher/k3s/token").write_text("K10ab::server:old\n")
    fake.file(PASSWORDS).write_text("old,node,node,k3s:agent\nold,server,server,k3s:server\n")


def verify_agent_token(fake: FakeMachine) -> None:
    assert fake.file(PASSWORDS).read_text() == "agents,node,node,k3s:agent\nold,server,server,k3s:server\n"


def verify_rotation(fake: FakeMachine) -> None:
    assert "new" in fake.file("rotated").read_text()


STARTS = {
    "systemctl": "case $* in restart*) touch runs ;; *is-active*) [ -e runs ] ;; esac",
    "curl": "", "systemd-run": "touch reboots",
}  # fmt: skip
SNAPSHOTS = {
    "k3s": """case "$*" in
  *' get nodes '*) echo v1.35.1+k3s1 ;;
  'etcd-snapshot save --name '*)
    mkdir -p snapshots-of-k3s; n=$(ls snapshots-of-k3s | wc -l); touch "snapshots-of-k3s/$4-$n"
    echo "Snapshot $4-$n saved." ;;
esac""",
    "curl": "", "hostname": "echo a", "timeout": 'shift; exec "$@"',
}  # fmt: skip


def verify_snapshot(fake: FakeMachine) -> None:
    assert list(fake.root.glob("snapshots-of-k3s/*"))


NODE = {"NODE": "b", "DRAIN_SECONDS": "300", "SERVERS": "a b c", "FLAGS": ""}
FORGET = {"NODE": "b", "ROLE": "server", "ADDRESS": "10.0.0.12", "SERVERS": "a b c"}


def cluster(name: str, variables: dict[str, str], given: dict[str, str], **more: object) -> Scenario:
    """Build the scenario of the script that `name` begins with; the cluster is not on the machine's disk."""
    return Scenario(name, name.partition(",")[0], variables, given, on_disk=False, **more)  # type: ignore[arg-type]


KURED = tools("""
  'get daemonset kured '*) echo 7 ;;
  'annotate daemonset kured '*) echo taken >lock-of-kured ;;
""")

CLUSTERS = [
    cluster("cluster/pause-kured", NODE, KURED, prepare=three_servers),
    cluster("cluster/drain", NODE, NODES, prepare=three_servers),
    cluster("cluster/uncordon", {"NODE": "b", "ROLE": "server", "CNI": "flannel"}, NODES, prepare=drained_node),
    cluster("cluster/remove-node", NODE, NODES, prepare=three_servers, verify=verify_no_trace),
    cluster("cluster/remove-node, dead", NODE, NODES, prepare=unreachable_server, verify=verify_no_trace),
    cluster("cluster/remove-stale-nodes", FORGET, NODES, prepare=unreachable_server, verify=verify_no_trace),
    cluster("cluster/remove-stale-nodes, another server", FORGET | {"NODE": "d", "SERVERS": "a c d"}, NODES,
            prepare=unreachable_server, verify=verify_no_trace),
    cluster("cluster/clear-node-passwords", {"NODES": "a b"}, NODES, prepare=three_servers),
    cluster("cluster/sync-labels", LABEL, LABELS, prepare=labelled_node),
    cluster("rbac/apply", GRANT, RIGHTS, prepare=granted_rights),
    cluster("rbac/delete", {}, RIGHTS, prepare=granted_rights),
    cluster("cluster/bind-kubeconfig-users", BIND, BINDINGS, prepare=bound_apps),
    cluster("cluster/sign-kubeconfigs", {"REQUESTS": REQUESTS, "SECONDS_VALID": "31536000"}, SIGNING,
            prepare=unsigned_requests, ignored="requests/"),
    cluster("platform/apply-crds", {"CRDS": "x", "CRD_SECONDS": "1"}, CRDS, prepare=lambda _: None),
    cluster("rook-ceph/delete-cluster", {"NAMESPACE": "rook-ceph"}, CEPH, prepare=with_ceph),
    cluster("rook-ceph/delete-cluster, all", {"NAMESPACE": "rook-ceph", "RETIRED": "yes"}, CEPH, prepare=with_ceph),
    cluster("argocd/orphan-applications", {"NAMESPACE": "argocd"}, APPLICATIONS, prepare=with_applications),
    cluster("platform/clear-stuck-releases", {"RELEASES": "lab/web\nlab/sub"}, HELM, prepare=interrupted_releases),
    cluster("external-dns/delete-records", {"NAMESPACE": "dns", "SYNC": "yes"}, DNS, prepare=running_controller),
    cluster("external-dns/start", {"NAMESPACE": "dns"}, DNS, prepare=lambda _: None),
    cluster("cluster/rotate-tokens", TOKEN, TOKENS, prepare=with_token, verify=verify_agent_token),
    cluster("etcd/replace-snapshot-token", {"OLD_TOKEN": "old", "TOKEN": "new"}, ROTATING,
            prepare=with_token, verify=verify_rotation),
    cluster("node/restart-agent", {"NODE": "b"}, STARTS, prepare=lambda _: None),
    cluster("node/reboot", {}, STARTS, prepare=lambda _: None),
    cluster("etcd/take-snapshot", {"LABEL": "by-hand", "COPIED": "no"}, SNAPSHOTS,
            prepare=lambda _: None, verify=verify_snapshot, ignored="snapshots-of-k3s"),
    cluster("etcd/snapshot-before-upgrade", {"VERSION": "v1.36.3+k3s1"}, SNAPSHOTS,
            prepare=lambda _: None, verify=verify_snapshot, ignored="snapshots-of-k3s"),
]  # fmt: skip
