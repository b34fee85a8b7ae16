"""Virtual machines: which nodes can have one, what their firmware reads, and how their files are packed."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.labs import stack_document
from rehearsal import k3s, machine_specs, recipes
from rehearsal.lab import Lab
from rehearsal.shell import RehearsalError
from rehearsal.vm import cpio, emulator, firmware, nodes, system
from rehearsal.vm.machine import VirtualMachine
from stacks.settings import LabStack
from tests.drills.stack_files import write_stack_file

PLATFORM: dict[str, object] = {"metallb": {"addresses": ["10.9.0.200-10.9.0.220"]}}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(nodes, "HOST_ARCHITECTURE", "amd64")
    return Lab("arm")


def settings(folder: Path, *, platform: dict[str, object] | None = None) -> LabStack:
    """A server s1, an ARM64 agent a1, and an agent a2 of this computer's architecture."""
    cluster = stack_document(1, 2)["config"]["homelab:cluster"]
    cluster["nodes"][1]["arch"] = "arm64"
    sections = {"cluster": cluster} | ({"platform": platform} if platform else {})
    write_stack_file(folder / "Pulumi.arm.yaml", **sections)
    return LabStack.read(folder / "Pulumi.arm.yaml")


def existing(lab: Lab, name: str, *, virtual: bool) -> None:
    """Make the record of a machine."""
    folder = lab.folder / "machines" / name
    folder.mkdir(parents=True)
    cluster = settings(folder).cluster
    spec = next(machine_specs.specifications(cluster, "10.9.0.254", "ssh-ed25519 key"))
    (folder / "machine.json").write_text(json.dumps(asdict(replace(spec, name=name, virtual=virtual))))


def test_wanted_and_existing_virtual_machines_are_chosen(lab: Lab, tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert nodes.choose(lab, found, [], lambda: False) == set()
    assert nodes.choose(lab, found, ["a1"], lambda: False) == {"a1"}
    existing(lab, "a1", virtual=True)
    existing(lab, "gone", virtual=True)
    assert nodes.choose(lab, found, [], lambda: False) == {"a1"}
    assert isinstance(lab.machine("a1"), VirtualMachine)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a9", r"the stack file has no such node \(it has: s1, a1, a2\)"),
        ("s1", "s1 is a server, but an emulated machine is too slow for etcd: choose an agent"),
        ("a2", "virtual machines have the architecture arm64: add `arch: arm64` to a2"),
    ],
)
def test_other_nodes_are_refused(lab: Lab, tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(RehearsalError, match=f"^--vm {name}: {problem}"):
        nodes.choose(lab, settings(tmp_path), [name], lambda: False)


def test_a_container_does_not_become_a_virtual_machine(lab: Lab, tmp_path: Path) -> None:
    existing(lab, "a1", virtual=False)
    with pytest.raises(RehearsalError, match=r"a1 is a container already: run `./homelab rehearse down --stack arm`"):
        nodes.choose(lab, settings(tmp_path), ["a1"], lambda: False)


def test_a_platform_needs_images_of_registries(lab: Lab, tmp_path: Path) -> None:
    found = settings(tmp_path, platform=PLATFORM)
    assert nodes.choose(lab, found, ["a1"], lambda: True) == {"a1"}
    assert nodes.choose(lab, found, [], lambda: False) == set()
    with pytest.raises(RehearsalError, match=r"only for amd64, not for arm64 \(a1\): remove the layers"):
        nodes.choose(lab, found, ["a1"], lambda: False)


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("console=tty1 rootwait\n", "console=tty1 rootwait cgroup_disable=memory console=ttyAMA0"),
        ("rootwait cgroup_enable=memory\nignored\n", "rootwait cgroup_enable=memory console=ttyAMA0"),
        ("xcgroup_enable=memory\n", "xcgroup_enable=memory cgroup_disable=memory console=ttyAMA0"),
        ("", "cgroup_disable=memory console=ttyAMA0"),
    ],
)
def test_firmware_completes_the_command_line(
    text: str, passed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "run", lambda _: text)
    assert firmware.read_command_line(tmp_path, tmp_path) == passed


def fake_qemu(events: list[str]) -> list[str]:
    """A program that speaks QEMU's protocol: it answers one command, and then sends events."""
    lines = '{"QMP": {}}\n{"return": {}}\n' + "".join(f"{event}\n" for event in events)
    return ["sh", "-c", 'read -r command; printf %s "$1"', "qemu", lines]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (['{"event": "RESET"}', '{"event": "SHUTDOWN", "data": {"reason": "guest-reset"}}'], "guest-reset"),
        (['{"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}}'], "guest-shutdown"),
        ([], ""),
    ],
)  # fmt: skip
def test_firmware_tells_a_reboot_from_a_shutdown_and_a_power_cut(
    events: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "run", lambda _: "rootwait\n")
    monkeypatch.setattr(emulator, "machine_command", lambda *_: fake_qemu(events))
    assert firmware.boot(tmp_path, tmp_path, "vb-1", "52:54:00:00:00:01") == reason


def test_a_machine_that_reboots_is_booted_again_until_it_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image").write_text("image")
    (tmp_path / "machine.json").write_text('{"address": "10.9.0.21"}')
    reasons = iter([firmware.RESET, firmware.RESET, firmware.SHUTDOWN])
    cards: list[str] = []
    monkeypatch.setattr(firmware, "plug_in", lambda card, _: cards.append(card))
    monkeypatch.setattr(firmware, "boot", lambda *_: next(reasons))
    firmware.main("0a1b", tmp_path, "lan")
    assert cards == ["vb-0a1b"] * 3
    assert (tmp_path / "off").exists()


def test_a_killed_machine_is_not_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "image").write_text("image")
    (tmp_path / "machine.json").write_text('{"address": "10.9.0.21"}')
    monkeypatch.setattr(firmware, "plug_in", lambda *_: None)
    monkeypatch.setattr(firmware, "boot", lambda *_: "")
    firmware.main("0a1b", tmp_path, "lan")
    assert not (tmp_path / "off").exists()


def test_mac_addresses_are_local_and_differ() -> None:
    found = {firmware.mac_address(f"10.9.0.{number}") for number in range(1, 255)}
    assert len(found) == 254
    assert all(int(address[:2], 16) & 0b11 == 0b10 for address in found)


def test_modules_come_after_what_they_need() -> None:
    listing = (
        "a/virtio.ko:\na/ring.ko:\nb/virtio_blk.ko: a/ring.ko a/virtio.ko\nb/virtio_pci.ko: c/modern.ko a/ring.ko\n"
    )
    assert system._in_order(listing) == [
        "a/ring.ko", "c/modern.ko", "b/virtio_pci.ko", "a/virtio.ko", "b/virtio_blk.ko",
    ]  # fmt: skip


def test_archive_has_the_format_of_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    (tmp_path / "d/file").write_text("12345")
    (tmp_path / "d/file").chmod(0o640)
    (tmp_path / "link").symlink_to("d/file")
    packed = cpio.pack(tmp_path)
    assert len(packed) % 4 == 0
    found: dict[str, tuple[int, bytes]] = {}
    while packed:
        assert packed[:6] == b"070701"
        mode, size, named = (int(packed[at : at + 8], 16) for at in (14, 54, 94))
        begin = (110 + named + 3) // 4 * 4
        found[packed[110 : 110 + named - 1].decode()] = (mode, packed[begin : begin + size])
        packed = packed[(begin + size + 3) // 4 * 4 :]
    assert found == {
        "d": (0o40755, b""),
        "d/file": (0o100640, b"12345"),
        "link": (0o120777, b"d/file"),
        "TRAILER!!!": (0, b""),
    }


def test_another_architecture_is_another_result() -> None:
    for make in (recipes.pause, recipes.podinfo):
        assert make().folder != make("arm64").folder
    assert k3s.program("v1.35.0+k3s1", print).folder != k3s.program("v1.35.0+k3s1", print, "arm64").folder


def test_without_cgo_only_lines_that_need_a_c_compiler_change(tmp_path: Path) -> None:
    origin, changed = tmp_path / "k3s", tmp_path / "changed"
    for path in k3s.WITHOUT_CGO:
        (origin / path).parent.mkdir(parents=True)
        (origin / path).write_text(f'import (\n{k3s.BTRFS}\t_ "kept"\n)\n')
    overlay = k3s._without_cgo(origin, changed)
    assert overlay.keys() == {origin / path for path in k3s.WITHOUT_CGO}
    builtins, title = overlay.values()
    assert builtins.read_text() == 'import (\n\t_ "kept"\n)\n'
    assert "func SetProcTitle(string) {}" in title.read_text()
