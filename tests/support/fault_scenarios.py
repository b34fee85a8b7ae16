"""Scripts that change a machine's disk, each with a machine to run it on."""

from collections.abc import Mapping
from typing import Any

from tests.support.faults import Scenario, cached
from tests.support.machine_scripts import FAST_SLEEP, FakeMachine
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

DATA = "/var/lib/rancher/k3s"
CA_HASH = "0f" * 32

SYSTEMCTL = r"""
mkdir -p units
unit=${*: -1}
case $* in
  'cat '*) [ -e "etc/systemd/system/$unit.service" ] || [ -e "usr/lib/$unit.service" ] ;;
  *is-active*)
    if [ -e "units/$unit.active" ]; then found=active; else found=inactive; fi
    case $* in *-q*) ;; *) echo $found ;; esac
    [ $found = active ] ;;
  *is-enabled*) [ -e "units/$unit.enabled" ] ;;
  show*) echo 0 ;;
  *disable*--now*) rm -f "units/$unit.active" "units/$unit.enabled" "units/$unit.conf" ;;
  *disable*) rm -f "units/$unit.enabled" ;;
  *enable*--now*) touch "units/$unit.enabled" && "./start" "$unit" ;;
  *enable*) touch "units/$unit.enabled" ;;
  stop*) rm -f "units/$unit.active" ;;
  start* | restart* | reload-or-restart*) ./start "$unit" ;;
esac
"""
START = r"""#!/bin/bash
# what a service does when it starts: it reads its configuration, and K3s makes its data
set -eu
mkdir -p units
case $1 in
  k3s)
    mkdir -p var/lib/rancher/k3s/server/tls var/lib/rancher/k3s/server/db/etcd/member/wal var/lib/rancher/k3s/agent
    echo certificate >var/lib/rancher/k3s/server/tls/server-ca.crt
    echo certificate >var/lib/rancher/k3s/agent/client-kubelet.crt
    echo "K10$(cat ca-hash)::server:token" >var/lib/rancher/k3s/server/token ;;
  keepalived) cp etc/keepalived/keepalived.conf units/keepalived.conf ;;
  nomad) cat etc/nomad.d/*.json >units/nomad.conf ;;
esac
touch "units/$1.active"
"""
CURL = r"""
target='' url=''
while [ $# -gt 0 ]; do
  case $1 in
    -o) target=$2; shift ;;
    http*) url=$1 ;;
  esac
  shift
done
case $url in
  */ping) [ -e units/k3s.active ] && echo pong ;;
  */readyz) [ -e units/k3s.active ] ;;
  *) [ -e "served/${url##*/}" ] && cp "served/${url##*/}" "$target" ;;
esac
"""
SYSCTL = """
[ "$1" != -n ] || { cat "sysctl-$2" 2>/dev/null || echo 0; exit; }
set_key() { printf '%s\\n' "${1#*=}" >"sysctl-${1%%=*}"; }
case $* in
  '-q -e -w '*) set_key "${*: -1}" ;;
  '-q -p '* | '-q -e -p '*) while IFS= read -r line; do set_key "$line"; done <"${*: -1}" ;;
esac
"""
TOOLS: Mapping[str, str] = {
    "systemctl": SYSTEMCTL, "sysctl": SYSCTL, "curl": CURL, "id": "echo 0", "df": "echo 4096",
    "ip": "case $* in *link*) ;; *) echo '2: eth0 10.0.0.11/24' ;; esac",
    "hostname": 'if [ $# = 0 ]; then cat hostname-now; else echo "$1" >hostname-now; fi',
    "apt-get": "", "dpkg-query": "echo installed", "modprobe": "", "timedatectl": "", "ps": "", "sleep": FAST_SLEEP,
    "iptables-save": "", "ip6tables-save": "", "exportfs": "", "journalctl": "", "umount": "",
    "k3s": "", "date": "echo 0", "timeout": 'while [[ $1 == -* ]]; do shift 2; done; shift; exec "$@"',
}  # fmt: skip
INSTALLER = r"""
set -eu
echo unit >etc/systemd/system/k3s.service
printf '#!/bin/sh\nrm -rf usr/local/bin/k3s var/lib/rancher/k3s $0\n' >usr/local/bin/k3s-uninstall.sh
chmod 755 usr/local/bin/k3s-uninstall.sh
"""


def _tasks() -> dict[str, dict[str, str]]:
    run = record(config_of(ROOT / "tests/settings/valid/three-servers.yaml"))
    known: dict[str, Any] = {task.name: task.plain for task in run.tasks}
    always = {"NOW": "0", "SERVERS": "a b c", "FLAGS": ""}
    return {name: {**always, **task["variables"], **task["secrets"]} for name, task in known.items()}


TASKS = _tasks()


def new_machine(fake: FakeMachine) -> None:
    """Create a newly flashed Raspberry Pi; paths outside its disk are links."""
    outside = fake.root.parent / f"{fake.root.name}-outside"
    outside.mkdir(exist_ok=True)
    for name, content in (("uptime", "1.00 1.00\n"), ("calls", "")):
        (outside / name).write_text(content)
    fake.file("/proc/uptime").symlink_to(outside / "uptime")
    fake.file("/calls").symlink_to(outside / "calls")
    for path, content in {
        "/etc/hostname": "raspberrypi\n", "/hostname-now": "raspberrypi\n", "/etc/machine-id": "1234\n",
        "/proc/sys/kernel/random/boot_id": "first\n",
        "/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 raspberrypi\n192.168.1.9 nas\n",
        "/boot/firmware/cmdline.txt": "console=serial0 root=PARTUUID=1-02 rootwait\n",
        "/proc/filesystems": "nodev\toverlay\n", "/proc/cmdline": "console=serial0\n", "/proc/self/mounts": "",
        "/sys/fs/cgroup/cgroup.controllers": "cpu\n", "/start": START, "/ca-hash": CA_HASH,
        "/etc/keepalived/keepalived.conf": "", "/usr/lib/keepalived.service": "", "/usr/lib/nfs-server.service": "",
    }.items():  # fmt: skip
        fake.file(path).write_text(content)
    fake.file("/start").chmod(0o755)
    for folder in (
        "/run/systemd/system",
        "/etc/sysctl.d",
        "/etc/modules-load.d",
        "/usr/local/bin",
        "/etc/systemd/system",
    ):
        fake.file(f"{folder}/any")


@cached
def prepared_machine(fake: FakeMachine) -> None:
    """Create the same, prepared for K3s."""
    new_machine(fake)
    fake.file("/sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
    _done(fake, "node/prepare", TASKS["a-prepare"])


@cached
def machine_with_mirror(fake: FakeMachine) -> None:
    """Create the same, with a mirror of K3s."""
    prepared_machine(fake)
    served = {"k3s": "program", "install.sh": INSTALLER}
    for name, content in served.items():
        fake.file(f"/served/{name}").write_text(content)
    sums = {name: _sum(fake, name) for name in served}
    fake.file("/served/sha256sum-amd64.txt").write_text(f"{sums['k3s']}  k3s\n")
    fake.file("/served/install.sh.sha256sum").write_text(f"{sums['install.sh']}  install.sh\n")


@cached
def staged_machine(fake: FakeMachine) -> None:
    machine_with_mirror(fake)
    _done(fake, "node/stage-k3s", BOOTSTRAP)


@cached
def running_server(fake: FakeMachine) -> None:
    """Create a server that runs K3s."""
    staged_machine(fake)
    _done(fake, "node/install-k3s", BOOTSTRAP)


@cached
def outdated_server(fake: FakeMachine) -> None:
    """Create a server with an outdated configuration."""
    running_server(fake)
    _done(fake, "node/stage-k3s", OTHER)


@cached
def retired_server(fake: FakeMachine) -> None:
    running_server(fake)
    _done(fake, "cluster/set-destroy-marker", {})


@cached
def uninstalled_server(fake: FakeMachine) -> None:
    running_server(fake)
    _done(fake, "node/uninstall-k3s", {})


def _done(fake: FakeMachine, script: str, variables: Mapping[str, str]) -> None:
    done = fake.run(script, **variables)
    assert done.status == 0, done.errors


def _sum(fake: FakeMachine, name: str) -> str:
    import hashlib

    return hashlib.sha256((fake.root / "served" / name).read_bytes()).hexdigest()


BOOTSTRAP = TASKS["cluster-found"] | {"PINS": "", "TOKEN": "token"}
ROLL = TASKS["a-roll"] | {"PINS": "", "TOKEN": "token"}
OTHER = ROLL | {"CONFIG": f"{ROLL['CONFIG']}node-label:\n- other=yes\n", "CA_HASH": CA_HASH}


def verify_restored(fake: FakeMachine) -> None:
    for path, content in (("etc/hostname", "raspberrypi\n"), ("hostname-now", "raspberrypi\n")):
        assert (fake.root / path).read_text() == content
    assert (fake.root / "etc/hosts").read_text() == "127.0.0.1 localhost\n127.0.1.1 raspberrypi\n192.168.1.9 nas\n"
    assert not (fake.root / "var/lib/homelab").exists()


SCENARIOS = [
    Scenario("node/prepare", "node/prepare", TASKS["a-prepare"], TOOLS, new_machine),
    Scenario("node/prepare, other keepalived", "node/prepare",
             TASKS["a-prepare"] | {"KEEPALIVED": "# homelab\nother\n", "SYSCTL": "kernel.panic=11"}, TOOLS,
             prepared_machine),
    Scenario("node/stage-k3s", "node/stage-k3s", BOOTSTRAP, TOOLS, machine_with_mirror),
    Scenario("node/install-k3s, first server", "node/install-k3s", BOOTSTRAP, TOOLS, staged_machine),
    Scenario("node/install-k3s, other configuration", "node/install-k3s", OTHER, TOOLS, outdated_server),
    Scenario("node/uninstall-k3s", "node/uninstall-k3s", {}, TOOLS, running_server),
    Scenario("node/restore-host", "node/restore-host", {}, TOOLS, uninstalled_server, verify=verify_restored),
    Scenario("node/stop-k3s", "node/stop-k3s", {}, TOOLS, running_server),
    Scenario("cluster/set-destroy-marker", "cluster/set-destroy-marker", {}, TOOLS, running_server),
    Scenario("cluster/clear-destroy-marker", "cluster/clear-destroy-marker", {}, TOOLS, retired_server),
]  # fmt: skip
