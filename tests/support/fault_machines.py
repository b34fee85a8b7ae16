"""Scripts that change a machine besides K3s, each with a machine to run it on: exports, pools, disks, data."""

import base64
import hashlib
import shutil
import zipfile
from collections.abc import Callable, Mapping

from components.cluster import machine_commands
from components.cluster.machine_commands import MachineCommandSettings
from tests.support.configured_machines import BOOT_LINE, RESOLV, entry, installed_system
from tests.support.configured_machines import GIVEN as MACHINE_GIVEN
from tests.support.configured_machines import TOOLS as SYSTEM_TOOLS
from tests.support.fault_scenarios import BOOTSTRAP, DATA, TOOLS, _done, staged_machine
from tests.support.faults import Scenario, cached
from tests.support.machine_scripts import FakeMachine
from tests.support.upgraded_machines import GIVEN as UPGRADE
from tests.support.upgraded_machines import TOOLS as UPGRADE_TOOLS
from tests.support.upgraded_machines import machine_with_upgrades
from tests.unit.scripts.test_nomad_bootstrap_acl import NOMAD, TOKEN
from tests.unit.scripts.test_nomad_install import GIVEN as NOMAD_GIVEN
from tests.unit.scripts.test_nomad_install import LIST, ZIP
from tests.unit.scripts.test_nomad_install import TOOLS as NOMAD_TOOLS
from tests.unit.scripts.test_rook_ceph_prepare_disks import ONE, TWO
from tests.unit.scripts.test_rook_ceph_prepare_disks import TOOLS as DISKS
from tests.unit.scripts.test_zfs_create_pool import TOOLS as POOL_TOOLS

# what the kernel exports is what the file had when it was read last
NFS = {
    "dpkg-query": "echo installed", "exportfs": "cat etc/exports.d/*.exports >tmp-exported && mv tmp-exported exported",
    "systemctl": 'case $* in *enable*) touch enabled ;; esac', "df": "echo 4096",
}  # fmt: skip
FOLDER = {"FOLDER": "ROOT/srv/nfs"}
EXPORT = FOLDER | {"CLIENTS": "10.0.0.11 10.0.0.12"}


# each key and certificate has the same content in every run, but openssl's are random
SIGN = r"""
case $1 in dgst) exec OPENSSL "$@" ;; rand) echo 1f; exit ;; verify) exit ;; x509) cat >/dev/null ;; esac
while [ $# -gt 0 ]; do
  case $1 in -out) out=$2 ;; -CA) cat "$2" >/dev/null ;; -CAkey) cat "$2" >/dev/null ;; esac
  shift
done
if [ -n "${out:-}" ]; then echo signed >"$out"; else echo request; fi
""".replace("OPENSSL", shutil.which("openssl") or "openssl")
OWN_CA = {"CA": "", "OWN_CA": base64.b64encode(b"home\n").decode(), "OWN_CA_KEY": "key"}


def verify_cas(fake: FakeMachine) -> None:
    tls = fake.file(f"{DATA}/server/tls")
    for name in ("client-ca", "server-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca"):
        assert (tls / f"{name}.crt").read_text() == ("signed\nhome\n" if name == "server-ca" else "signed\n")
        assert (tls / f"{name}.key").stat().st_mode & 0o777 == 0o600
    assert not fake.file(f"{DATA}/server/tls.homelab").exists()


def with_data(fake: FakeMachine) -> None:
    fake.file("/srv/nfs/data").write_text("kept")
    fake.file("/etc/exports.d/nas.exports").write_text("/other *(rw)\n")


def exported_folder(fake: FakeMachine) -> None:
    with_data(fake)
    _done(fake, "nfs/export", {name: value.replace("ROOT", str(fake.root)) for name, value in EXPORT.items()})


def empty_disks(fake: FakeMachine) -> None:
    fake.file("/sys/module/zfs/version").touch()
    for disk in (ONE, TWO):
        fake.file(disk).touch()
    fake.file("real").write_text("".join(f"{fake.root}{disk}\n" for disk in (ONE, TWO)))


def with_pool(fake: FakeMachine) -> None:
    """Create disks with the pool, which is not imported."""
    empty_disks(fake)
    for disk in (ONE, TWO):
        for part in ("-part1", "-part9"):
            fake.file(f"{disk}{part}").touch()
    fake.file("disks").write_text("   pool: lab\n     id: 1\n")
    fake.file("wipefs").write_text("zfs_member")
    fake.file("imported").write_text("lab\n" + "".join(f"\t{fake.root}{disk}1\t10G\n" for disk in (ONE, TWO)))


BOTH = f"ROOT{ONE} ROOT{TWO}"
POOL = {"POOL": "lab", "DEVICES": BOTH, "RAID": "mirror"}


# what is at each GiB of a disk that Ceph had
DD = """disk=${2##*/}; rm -f "label-$disk-${5#seek=}" """


def full_disk(fake: FakeMachine) -> None:
    """Create an empty disk, and one with a file system on a partition."""
    for disk in (ONE, TWO):
        fake.file(disk).touch()
    fake.file("tree-ata-two").write_text("disk sdb \npart sdb1 \n")
    fake.file("signatures-ata-two").write_text("gpt")
    for at in (0, 1, 10, 100):
        fake.file(f"label-ata-two-{at << 10}").write_text("bluestore")


def beside_releases(fake: FakeMachine) -> None:
    with zipfile.ZipFile(fake.file(f"/served/{ZIP}"), "w") as archive:
        archive.writestr(zipfile.ZipInfo("nomad"), "#!/bin/sh\n")
    digest = hashlib.sha256((fake.root / "served" / ZIP).read_bytes()).hexdigest()
    fake.file(f"/served/{LIST}").write_text(f"{digest}  {ZIP}\n")
    for path in ("/usr/local/bin/nomad", "/etc/systemd/system/nomad.service"):
        fake.file(path)


# what runs is what its files had when it started
NOMAD_SERVICE = """case "$*" in
  "-q is-active nomad") [ -e alive ] ;;
  daemon-reload) cp etc/systemd/system/nomad.service loaded 2>/dev/null || rm -f loaded ;;
  "-q enable nomad") touch enabled ;;
  "restart nomad")
    cmp -s etc/systemd/system/nomad.service loaded || exit 1
    cat etc/nomad.d/* usr/local/bin/nomad >starting && mv starting alive ;;
  "-q disable --now nomad") rm -f alive enabled ;;
esac"""
NOMAD_MACHINE = NOMAD_TOOLS | {"systemctl": NOMAD_SERVICE, "df": "echo 4096"}
OTHER = NOMAD_GIVEN | {"CONFIG": '{"name": "b"}', "CERTIFICATE": "new", "GOSSIP": ""}


@cached
def with_nomad(fake: FakeMachine) -> None:
    beside_releases(fake)
    _done(fake, "nomad/install", NOMAD_GIVEN)
    fake.file("/var/lib/nomad/kept").write_text("data")
    fake.file("/sys/fs/cgroup/nomad.slice/cgroup.kill").touch()


ACL = {"nomad": NOMAD.replace(">>environment", ">/dev/null")}


def elected_leader(fake: FakeMachine) -> None:
    fake.file("/led").touch()


SENT = b"snapshot"
PLACE = {"SNAPSHOT": "of-monday", "SENT": "ROOT/sent", "CHECKSUM": hashlib.sha256(SENT).hexdigest()}


def sent_snapshot(fake: FakeMachine) -> None:
    fake.file("/sent").write_bytes(SENT)


def halted_server(fake: FakeMachine) -> None:
    """Create a server with data and without a running K3s; another server is ready."""
    for path in ("db/etcd/member/wal/0", "db/etcd-old-1/old", "db/etcd-old-2/old", "db/reset-flag",
                 "db/snapshots/of-monday", "tls/server-ca.crt", "tls-1/old", "tls-2/old", "cred/passwd"):  # fmt: skip
        fake.file(f"{DATA}/server/{path}").write_text(path)
    for name in ("config.yaml", "secrets.yaml", "token", "agent-token"):
        fake.file(f"/var/lib/homelab/staged/{name}").write_text(f"# {name}\n")


# K3s reads its configuration, puts aside what was there, and writes anew
RESETTING = r"""#!/bin/bash
set -eu
grep -q cluster-reset-restore-path "$(dirname "$3")/config.yaml.d/zz-reset.yaml"
server=var/lib/rancher/k3s/server
echo of-monday >restored
aside=$(($(find $server/db -name 'etcd-old-*' | wc -l) + 3))
[ ! -e $server/db/etcd ] || mv $server/db/etcd $server/db/etcd-old-$aside
mkdir -p $server/db/etcd/member/wal
mv restored $server/db/etcd/member/wal/0
touch $server/db/reset-flag
echo 'Managed etcd cluster membership has been reset'
"""
VERSION = "v1.36.3+k3s1"
RESET = {"SNAPSHOT": "of-monday", "FETCH": "no", "VERSION": VERSION, "ENDPOINT": "10.0.0.1:6443", "PEERS": ""}


def server_before_reset(fake: FakeMachine) -> None:
    halted_server(fake)
    program = fake.file(f"/var/lib/homelab/k3s/{VERSION}/k3s")
    program.write_text(RESETTING)
    program.chmod(0o755)


def verify_old_data(fake: FakeMachine) -> None:
    """Verify that the data of before the restore still exist."""
    assert "db/etcd/member/wal/0" in [
        file.read_text() for file in fake.root.glob(f"{DATA[1:]}/server/db/etcd-old-*/member/wal/0")
    ]


AWAY = {**TOOLS, "curl": "exit 7", "timeout": 'while [[ $1 == -* ]]; do shift 2; done; shift; exec "$@"'}
RESTORED = {**TOOLS, "curl": "echo pong", "systemctl": "exit 3"}
EMPTY = {"NODE": "b", "ENDPOINT": "10.0.0.1:6443", "CA": "eA=="}

# what runs has read its configuration when it was restarted last
RESTARTED = SYSTEM_TOOLS | {
    "systemctl": """case $* in
  restart*.mount) ;;
  restart*) case $2 in smartd) file=etc/smartd.conf ;; *) file=etc/systemd/timesyncd.conf.d/50-homelab.conf ;; esac
    cat $file >starting && mv starting "loaded-$2" || exit 1 ;;
  try-restart*.mount) ;;
  try-restart*) rm -f "loaded-$2" ;;
esac"""
    + SYSTEM_TOOLS["systemctl"]
}
FILE = entry("ROOT/etc/smartd.conf", "/dev/sda\n", units="smartd")
MOUNT = entry("ROOT/etc/systemd/system/a-b.mount", "[Mount]\nWhere=/missing/a/b\n", units="a-b.mount", key="mounts")
ALL_OF_MACHINE = MACHINE_GIVEN | {
    "TIMEZONE": "Europe/Berlin", "DNS_SERVERS": "10.0.0.53", "PACKAGES": "vim htop",
    "SYSCTL": "vm.swappiness=10\nnet.a=3 4", "MODULES": "i2c-dev", "PARAMETERS": "quiet isolcpus=1",
    "FILES": FILE + MOUNT,
    "SECRET_FILES": entry("ROOT/etc/new/folder/key", "p4ssw0rd", "600"),
}  # fmt: skip
OTHERS_OF_MACHINE = MACHINE_GIVEN | {
    "TIMEZONE": "Asia/Tokyo", "DNS_SERVERS": "10.0.0.54", "PACKAGES": "nano", "SYSCTL": "vm.swappiness=20",
    "PARAMETERS": "isolcpus=1 splash", "SECRET_FILES": entry("ROOT/etc/new/folder/key", "other", "640"),
}  # fmt: skip


def commands(**scripts: tuple[str, str, str]) -> dict[str, str]:
    """Return the variables of a run with these commands, each with create, update and a trigger."""
    parsed = {
        name: MachineCommandSettings(create=create, update=update, delete=f"rm -f made-{name}", triggers=(trigger,))
        for name, (create, update, trigger) in scripts.items()
    }
    return MACHINE_GIVEN | machine_commands.variables(parsed, "beforeK3s")


OWN_COMMANDS = commands(a=("echo a >made-a", "true", "1"), b=("echo b >made-b", "echo new >made-b", "1"))
OTHER_COMMANDS = commands(b=("echo other >made-b", "echo updated >made-b", "1"), c=("echo c >made-c", "true", "1"))


# The cost of a scenario grows with the square of its settings: each state needs a run that applies all of them. One
# scenario, `undo`, has all settings at once.
GROUPS = {
    "kernel": ("PACKAGES", "SYSCTL", "MODULES", "PARAMETERS"),
    "time and DNS": ("TIMEZONE", "DNS_SERVERS"),
    "files": ("FILES", "SECRET_FILES"),
}


def only(settings: Mapping[str, str], group: str) -> dict[str, str]:
    """Return the variables of one group of settings."""
    return MACHINE_GIVEN | {name: settings[name] for name in GROUPS[group] if name in settings}


def with_settings(settings: Mapping[str, str]) -> Callable[[FakeMachine], None]:
    """Return a function that creates a machine with settings of `machine`, after its reboot."""

    @cached
    def prepare(fake: FakeMachine) -> None:
        installed_system(fake)
        given = {name: value.replace("ROOT/", f"{fake.root}/") for name, value in settings.items()}
        _done(fake, "node/configure-machine", given)
        fake.file("/proc/cmdline").write_text(fake.file("/boot/firmware/cmdline.txt").read_text())
        fake.file("/proc/sys/kernel/random/boot_id").write_text("second\n")
        _done(fake, "node/configure-machine", given)

    return prepare


configured_machine = with_settings(ALL_OF_MACHINE)


def grub_machine(fake: FakeMachine) -> None:
    installed_system(fake)
    fake.file("/boot/firmware/cmdline.txt").unlink()
    fake.file("/etc/default/grub.d/any.cfg").write_text("")


def removed_machine(fake: FakeMachine) -> None:
    """Create a machine with settings of `machine` that is no longer a node."""
    configured_machine(fake)
    fake.file("/var/lib/homelab/node").unlink()


def verify_original_system(fake: FakeMachine) -> None:
    """Verify that the machine is as it was before homelab changed it."""
    assert fake.file("/boot/firmware/cmdline.txt").read_text() == f"{BOOT_LINE}\n"
    assert fake.file("/etc/resolv.conf").read_text() == RESOLV
    assert fake.file("/etc/localtime").readlink().name == "UTC"
    assert not (fake.root / "etc/new").exists()
    assert not (fake.root / "packages/htop").exists()


def with_commands(fake: FakeMachine) -> None:
    """Create a machine on which two commands ran."""
    installed_system(fake)
    _done(fake, "node/run-commands", OWN_COMMANDS)


def verify_commands(fake: FakeMachine) -> None:
    """Verify that the scripts of the new commands ran last, and the deletes of the others."""
    assert sorted(path.name for path in fake.root.glob("made-*")) == ["made-b", "made-c"]
    assert fake.file("/made-b").read_text() == "updated\n"


def verify_no_commands(fake: FakeMachine) -> None:
    assert not list(fake.root.glob("made-*"))
    assert not (fake.root / "var/lib/homelab/commands").exists()


def with_upgrades(fake: FakeMachine) -> None:
    """Create a machine with two package upgrades, one of which needs a reboot."""
    machine_with_upgrades(fake, "curl", "libc6")


def with_earlier_upgrade(fake: FakeMachine) -> None:
    """Create a machine whose packages were upgraded for another text, and now again."""
    with_upgrades(fake)
    for given in ({"UPGRADE": "2026-10", "FINISHED": "yes"}, {}):
        _done(fake, "node/upgrade-packages", UPGRADE | given)


def verify_upgrade(fake: FakeMachine) -> None:
    assert [fake.file(f"/installed-{name}").read_text() for name in ("curl", "libc6")] == ["2\n", "2\n"]


MACHINES = [
    Scenario("node/create-ca", "node/create-ca", {**BOOTSTRAP, **OWN_CA}, {**TOOLS, "openssl": SIGN}, staged_machine,
             verify=verify_cas),
    Scenario("node/upgrade-packages", "node/upgrade-packages", UPGRADE, UPGRADE_TOOLS, with_upgrades, on_disk=False,
             verify=verify_upgrade),
    Scenario("node/upgrade-packages, complete", "node/upgrade-packages", UPGRADE | {"FINISHED": "yes"}, UPGRADE_TOOLS,
             with_earlier_upgrade, verify=verify_upgrade),
    Scenario("node/run-commands", "node/run-commands", OTHER_COMMANDS, SYSTEM_TOOLS, with_commands,
             verify=verify_commands),
    Scenario("node/run-commands, undo", "node/run-commands", OWN_COMMANDS | {"UNDO": "yes"}, SYSTEM_TOOLS,
             with_commands, verify=verify_no_commands),
    *(Scenario(f"node/configure-machine, new {group}", "node/configure-machine", only(ALL_OF_MACHINE, group),
               RESTARTED, installed_system) for group in GROUPS),
    Scenario("node/configure-machine, GRUB", "node/configure-machine", MACHINE_GIVEN | {"PARAMETERS": "quiet"},
             RESTARTED, grub_machine),
    *(Scenario(f"node/configure-machine, other {group}", "node/configure-machine", only(OTHERS_OF_MACHINE, group),
               RESTARTED, with_settings(only(ALL_OF_MACHINE, group)), on_disk=False) for group in GROUPS),
    Scenario("node/configure-machine, undo", "node/configure-machine", ALL_OF_MACHINE | {"UNDO": "yes"}, RESTARTED,
             removed_machine, verify=verify_original_system),
    Scenario("nfs/export", "nfs/export", EXPORT, NFS, with_data),
    Scenario("nfs/export, to others", "nfs/export", EXPORT | {"CLIENTS": "10.0.0.13"}, NFS, exported_folder),
    Scenario("nfs/unexport", "nfs/unexport", FOLDER, NFS, exported_folder),
    Scenario("zfs/create-pool, new", "zfs/create-pool", POOL, POOL_TOOLS, empty_disks, on_disk=False),
    Scenario("zfs/create-pool, imported", "zfs/create-pool", POOL, POOL_TOOLS, with_pool, on_disk=False),
    Scenario("etcd/reset-member", "etcd/reset-member", EMPTY, RESTORED, halted_server),
    Scenario("etcd/receive-snapshot", "etcd/receive-snapshot", PLACE, TOOLS, sent_snapshot, between_runs=sent_snapshot),
    Scenario("etcd/restore-snapshot", "etcd/restore-snapshot", RESET, AWAY, server_before_reset, verify=verify_old_data,
             ignored="/db/etcd-old-"),
    Scenario("rook-ceph/prepare-disks", "rook-ceph/prepare-disks", {"DEVICES": BOTH, "WIPE": f"ROOT{TWO}"},
             DISKS | {"dd": DD}, full_disk),
    Scenario("nomad/install, new", "nomad/install", NOMAD_GIVEN, NOMAD_MACHINE, beside_releases),
    Scenario("nomad/install, other configuration", "nomad/install", OTHER, NOMAD_MACHINE, with_nomad),
    Scenario("nomad/uninstall", "nomad/uninstall", {}, NOMAD_MACHINE, with_nomad),
    Scenario("nomad/bootstrap-acl", "nomad/bootstrap-acl", {"ADDRESS": "10.0.0.11", "TOKEN": TOKEN}, ACL,
             elected_leader, on_disk=False),
]  # fmt: skip
