"""The script that takes K3s off a machine: what it waits for, what it refuses, and what it leaves."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

DATA = "/var/lib/rancher/k3s"
VOLUME = "/var/lib/kubelet/pods/1/volumes/nas"
SYSTEMCTL = """
unit=${*: -1}
case $* in
  'cat '*) [ -e "etc/systemd/system/$unit.service" ] ;;
  *is-active*) [ -e "active-$unit" ] ;;
  'stop '*) [ ! -e stubborn ] && rm -f "active-$unit" ;;
  kill*) rm -f "active-$unit" ;;
esac
"""
UMOUNT = r"""
path=${*: -1} lazy=no found=''
case $* in *'-l '*) lazy=yes ;; esac
if [ $lazy = no ] && grep -qxF "$path" busy 2>/dev/null; then echo busy >&2; exit 32; fi
while IFS= read -r line; do
  read -r _ at _ <<<"$line"
  if [ -z "$found" ] && [ "$at" = "${path// /\\040}" ]; then found=yes; else echo "$line"; fi
done <proc/self/mounts >mounts-left
mv mounts-left proc/self/mounts
"""
HANGS = "echo 'level=fatal it hangs'"
TOOLS = {
    "ip": "cat links 2>/dev/null || true", "systemctl": SYSTEMCTL, "umount": UMOUNT, "sleep": "",
    "ps": "cat processes 2>/dev/null || true", "kill": 'echo "kill $*" >>killed; : >processes', "journalctl": HANGS,
    **dict.fromkeys(("iptables-save", "ip6tables-save"), "echo '-A INPUT -j KUBE'"),
}  # fmt: skip
BUSY = f'case $* in *{DATA}) echo "Device or resource busy" >&2; exit 1 ;; esac\nexec /bin/%s "$@"'
"""What is mounted there can be emptied and not removed."""


def installed(fake: FakeMachine, unit: str) -> None:
    """Put K3s there as its installer does; its uninstaller deletes what it finds, whether or not it is mounted."""
    fake.file(f"/etc/systemd/system/{unit}.service").touch()
    fake.file(f"active-{unit}").touch()
    uninstaller = fake.file(f"/usr/local/bin/{unit}-uninstall.sh")
    gone = f"{fake.root}/usr/local/bin/k3s {fake.root}{DATA} {fake.root}/var/lib/kubelet"
    uninstaller.write_text(f"#!/bin/sh\necho {unit}-uninstaller >>{fake.root}/calls\nrm -rf {gone} $0\n")
    uninstaller.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file(f"{DATA}/server/db/etcd/member").write_text("etcd")
    fake.file("/etc/rancher/k3s/token").write_text("token")
    fake.file("/usr/local/bin/k3s").write_text("k3s")
    fake.file("/proc/self/mounts").write_text("/dev/sda / ext4 rw 0 0\n")
    installed(fake, "k3s")
    return fake


def mounted(fake: FakeMachine, *entries: tuple[str, str]) -> None:
    with fake.file("/proc/self/mounts").open("a") as mounts:
        mounts.writelines(f"source {fake.root}{path} {kind} rw 0 0\n" for path, kind in entries)


def test_nothing_of_it_stays(machine: FakeMachine) -> None:
    for _ in ("first", "again"):
        done = machine.run("node/uninstall-k3s")
        assert done.status == 0, done.errors
        assert not machine.file(DATA).exists()
        assert not machine.file("/etc/rancher").exists()
        assert not list(machine.file("/usr/local/bin/any").parent.iterdir())
        assert not list(machine.file("/etc/systemd/system/any").parent.iterdir())


@pytest.mark.parametrize("unit", ["k3s", "k3s-agent"])
def test_what_is_installed_is_uninstalled_whatever_the_file_says(unit: str, tmp_path: Path) -> None:
    """A role that was changed in the file leaves the other one on the machine."""
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file("/proc/self/mounts").touch()
    fake.file(f"{DATA}/agent/client-kubelet.crt").write_text("certificate")
    installed(fake, unit)
    done = fake.run("node/uninstall-k3s", ROLE="server")
    assert (done.status, fake.file(f"active-{unit}").exists(), fake.file(DATA).exists()) == (0, False, False)
    assert f"{unit}-uninstaller" in done.calls


def test_data_stay_where_k3s_does_not_stop(machine: FakeMachine) -> None:
    stuck = FakeMachine(
        machine.root, TOOLS | {"systemctl": SYSTEMCTL.replace("kill*) rm", "kill*) : rm")}
    ).with_fast_sleep
    machine.file("stubborn").touch()
    done = stuck.run("node/uninstall-k3s")
    assert done.status == 1
    assert (
        "K3s did not stop; nothing was removed. Stop it, then run `pulumi up` again:\nk3s\n"
        "level=fatal it hangs" in done.errors
    )
    assert machine.file(f"{DATA}/server/db/etcd/member").read_text() == "etcd"
    assert "k3s-uninstaller" not in done.calls


def test_a_server_that_ignores_its_stop_is_killed(machine: FakeMachine) -> None:
    machine.file("stubborn").touch()
    done = machine.run("node/uninstall-k3s")
    assert (done.status, machine.file(DATA).exists()) == (0, False), done.errors


def test_containers_end_before_their_volumes_are_unmounted(machine: FakeMachine) -> None:
    machine.file("processes").write_text(
        "1 0 init\n20 1 /x/containerd-shim-runc-v2 -address /run/k3s/containerd/containerd.sock\n21 20 postgres\n"
        "22 21 postgres: writer\n30 1 /y/containerd-shim-runc-v2 -address /run/containerd/containerd.sock\n31 30 mine\n"
    )
    mounted(machine, (VOLUME, "nfs4"))
    done = machine.run("node/uninstall-k3s")
    assert done.status == 0, done.errors
    (killed,) = machine.file("killed").read_text().splitlines()
    assert sorted(killed.split()[3:]) == ["20", "21", "22"], "Docker's containers are not ours"
    first_kill = next(index for index, call in enumerate(done.calls) if call.startswith("kill "))
    assert first_kill < done.calls.index(f"umount {machine.root}{VOLUME}") < done.calls.index("k3s-uninstaller")


def test_volumes_that_stay_mounted_keep_all_they_hold(machine: FakeMachine) -> None:
    machine.file(f"{VOLUME}/photo").write_text("photo")
    mounted(machine, ("/run/k3s/containerd/1/rootfs", "overlay"), (VOLUME, "ext4"))
    machine.file("busy").write_text(f"{machine.root}{VOLUME}")
    done = machine.with_fast_sleep.run("node/uninstall-k3s")
    assert done.status == 1
    assert (
        "in use after 60 s; nothing was removed, because their data would be deleted, too:\n"
        f"{machine.root}{VOLUME}\text4" in done.errors
    )
    assert f"{machine.root}/run/k3s" not in done.errors.partition("would be deleted")[2], (
        "what could be unmounted is not named"
    )
    assert machine.file(f"{VOLUME}/photo").read_text() == "photo"
    assert machine.file(f"{DATA}/server/db/etcd/member").read_text() == "etcd"
    assert "k3s-uninstaller" not in done.calls


def test_share_of_a_server_that_is_gone_is_detached(machine: FakeMachine) -> None:
    mounted(machine, (VOLUME, "nfs4"))
    machine.file("busy").write_text(f"{machine.root}{VOLUME}")
    done = machine.with_fast_sleep.run("node/uninstall-k3s")
    assert done.status == 0, done.errors
    assert f"umount -f -l {machine.root}{VOLUME}" in done.calls


def test_mounts_over_each_other_are_all_unmounted(machine: FakeMachine) -> None:
    mounted(machine, (VOLUME, "ext4"), (VOLUME, "ext4"), (f"{VOLUME}\\040two", "ext4"))
    done = machine.run("node/uninstall-k3s")
    assert done.status == 0, done.errors
    gone = [call for call in done.calls if call.startswith("umount")]
    assert gone.index(f"umount {machine.root}{VOLUME} two") < gone.index(f"umount {machine.root}{VOLUME}")


def test_disk_that_is_mounted_for_its_data_is_emptied(machine: FakeMachine) -> None:
    (machine.root / "usr/local/bin/k3s-uninstall.sh").unlink()
    disk = FakeMachine(machine.root, TOOLS | {name: BUSY % name for name in ("rm", "rmdir")})
    mounted(machine, (DATA, "ext4"))
    for _ in ("first", "again"):
        done = disk.run("node/uninstall-k3s")
        assert done.status == 0, done.errors
        assert list(machine.file(f"{DATA}/any").parent.iterdir()) == []
    assert DATA in machine.file("/proc/self/mounts").read_text()


def test_data_that_cannot_be_removed_are_named(machine: FakeMachine) -> None:
    stuck = FakeMachine(machine.root, TOOLS | {"find": 'case $* in *-delete*) exit 1 ;; esac\nexec /usr/bin/find "$@"'})
    done = stuck.run("node/uninstall-k3s")
    assert done.status == 1
    assert (
        "These files could not be deleted; delete them, then run `pulumi up` again:\n"
        f"{machine.root}{DATA}/server/db/etcd/member" in done.errors
    )


def test_what_an_uninstaller_leaves_is_named(machine: FakeMachine) -> None:
    machine.file("/usr/local/bin/k3s-uninstall.sh").write_text("#!/bin/sh\n")
    done = machine.run("node/uninstall-k3s")
    assert done.status == 1
    assert f"These parts of K3s were not removed:\n{machine.root}/usr/local/bin/k3s-uninstall.sh" in done.errors


def test_cilium_goes_before_k3s(machine: FakeMachine) -> None:
    links = ("1: lo:", "2: eth0:", "5: cilium_net@cilium_host:", "6: cilium_host@cilium_net:", "7: cilium_vxlan:")
    machine.file("links").write_text("".join(f"{link} <UP> mtu 1500\n" for link in links))
    machine.file("/etc/cni/net.d/05-cilium.conflist").touch()
    tools = {
        "ip": '[ "$2" != delete ] || [ "$3" != cilium_host ] || exit 1; cat links',  # it went with its other end
        "iptables-save": "echo '-A INPUT -j CILIUM_INPUT'; echo '-A INPUT -j OURS'",
        "iptables-restore": "cat >restored",
    }
    done = FakeMachine(machine.root, TOOLS | tools).run("node/uninstall-k3s")
    assert done.status == 0, done.errors
    gone = [f"ip link delete cilium_{name}" for name in ("net", "host", "vxlan")]
    assert [call for call in done.calls if "delete" in call] == gone
    assert done.calls.index("k3s-uninstaller") > max(map(done.calls.index, (*gone, "iptables-restore ")))
    assert machine.file("restored").read_text() == "-A INPUT -j OURS\n"
    assert not list(machine.file("/etc/cni/net.d/any").parent.iterdir())


def test_rules_are_left_alone_without_cilium(machine: FakeMachine) -> None:
    done = machine.run("node/uninstall-k3s")
    assert (done.status, [call for call in done.calls if "restore" in call or "delete" in call]) == (0, [])


def moved(machine: FakeMachine, link: str) -> Path:
    """Move a folder to another disk, and leave a link."""
    folder, disk = machine.file(link), machine.file("/mnt/ssd/moved")
    folder.rename(disk)
    folder.symlink_to(disk)
    return disk


@pytest.mark.parametrize("link", [DATA, "/var/lib/rancher"])
def test_data_that_a_link_leads_to_are_deleted_as_well(machine: FakeMachine, link: str) -> None:
    disk = moved(machine, link)
    done = machine.run("node/uninstall-k3s")
    assert done.status == 0, done.errors
    assert not [file for file in disk.rglob("*") if file.is_file()]


def test_a_mount_behind_a_link_is_not_deleted_with_it(machine: FakeMachine) -> None:
    disk = moved(machine, "/var/lib/rancher")
    film = disk / "k3s/storage/films/film"
    film.parent.mkdir(parents=True)
    film.write_text("film")
    machine.file("/proc/self/mounts").write_text(f"nas:/films {film.parent} nfs rw 0 0\n")
    machine.file("busy").write_text(f"{film.parent}\n")
    done = FakeMachine(machine.root, {**TOOLS, "umount": "exit 32"}).with_fast_sleep.run("node/uninstall-k3s")
    assert (done.status, film.read_text()) == (1, "film")
    assert "These mounts are still in use after 60 s; nothing was removed" in done.errors


def test_what_else_is_on_the_disk_that_a_link_leads_to_stays(machine: FakeMachine) -> None:
    """The link may lead to a disk as a whole."""
    disk = moved(machine, DATA)
    (disk / "storage/pvc-1").mkdir(parents=True)
    (disk / "storage/pvc-1/row").write_text("row")
    (disk / "photos").mkdir()
    (disk / "photos/photo").write_text("photo")
    done = machine.run("node/uninstall-k3s")
    assert done.status == 0, done.errors
    assert [file.name for file in disk.rglob("*") if file.is_file()] == ["photo"]


def test_what_others_have_beside_k3s_configuration_stays(machine: FakeMachine) -> None:
    machine.file("/etc/rancher/rke2/config.yaml").write_text("theirs")
    machine.file("/etc/rancher/node/password").write_text("ours")
    assert machine.run("node/uninstall-k3s").status == 0
    assert [file.name for file in machine.file("/etc/rancher/any").parent.iterdir()] == ["rke2"]
