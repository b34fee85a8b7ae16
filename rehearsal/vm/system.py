"""The system of virtual machines: a Debian of their architecture, with its own kernel."""

import shutil
from pathlib import Path

from rehearsal import debian, machine_image
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.shell import run
from rehearsal.vm import cpio, emulator, foreign

FOLDER = Path(__file__).parent
FILES, INIT = FOLDER / "files", FOLDER / "init"
KERNEL = f"linux-image-cloud-{emulator.ARCH}"
PACKAGES = (*machine_image.PACKAGES.values(), "busybox-static", "dosfstools", KERNEL)
MODULES = ("virtio_pci", "virtio_blk")
"""Kernel modules without which the kernel finds no disk."""
UNCONFIGURED = ("linux-", "initramfs-tools")
"""Prefixes of packages whose files the rehearsal takes itself, because their initramfs takes minutes in an emulator."""
CONFIGURE = """
/debootstrap/debootstrap --second-stage
systemctl --quiet enable systemd-networkd ssh
systemctl --quiet disable haproxy
systemctl --quiet mask systemd-firstboot.service
"""
DISK_SIZE = "8G"
ACCOUNTS = ("passwd", "group", "shadow")


def ensure(report: Report) -> Path:
    """Return the folder with `disk`, `kernel`, `initrd`, the disk's files ACCOUNTS in `etc`, and the link `tools`."""
    return obtain(recipe(emulator.ensure(report)), report)


def recipe(tools: Path) -> Recipe:
    """Recipe of the system; `tools` is the emulator's root file system."""

    def make(folder: Path) -> None:
        root = folder / "root"
        _unpack(root, folder / "debootstrap.log")
        version = _take_kernel(root, folder)
        run(emulator.command(tools, root, "depmod", "-b", emulator.MOUNTED, version))
        _pack_initrd(root, root / "usr/lib/modules" / version, folder)
        _configure(tools, root)
        machine_image.add_files(root, machine_image.MACHINE_FILES, FILES)
        (root / "boot/firmware").mkdir()
        _make_disk(tools, folder)
        shutil.rmtree(root)
        (folder / "tools").symlink_to(tools)

    code = [Path(module).read_bytes() for module in (__file__, cpio.__file__, foreign.__file__, debian.__file__)]
    files = [machine_image.described(part) for part in (FILES, machine_image.MACHINE_FILES, machine_image.CNI_PLUGINS)]
    described = [part for parts in files for part in parts]
    ingredients: tuple[str | bytes, ...] = (str(tools), *PACKAGES, INIT.read_bytes(), *code, *described)
    takes = "from Debian's packages, which are configured in QEMU: 6 minutes on two cores"
    return Recipe(f"virtual-machine-{emulator.ARCH}", machine_image.RELEASE, ingredients, takes, make)


def _unpack(root: Path, log: Path) -> None:
    options = ("--foreign", f"--arch={emulator.ARCH}", f"--include={','.join(PACKAGES)}")
    with log.open("w") as opened:
        run(debian.debootstrap(*options, machine_image.RELEASE, root), log=opened)
    debian.make_proc(root)
    base = root / "debootstrap/base"
    base.write_text(" ".join(name for name in base.read_text().split() if not name.startswith(UNCONFIGURED)))


def _take_kernel(root: Path, folder: Path) -> str:
    """Unpack the kernel and its modules, and return the kernel's version."""
    archives = root / debian.ARCHIVES
    unpacked = folder / "kernel-package"
    for archive in archives.glob("linux-image-[0-9]*.deb"):
        run(["dpkg-deb", "--extract", archive, unpacked])
    (modules,) = (unpacked / "lib/modules").iterdir()
    shutil.copytree(modules, root / "usr/lib/modules" / modules.name, symlinks=True)
    shutil.copyfile(unpacked / "boot" / f"vmlinuz-{modules.name}", folder / "kernel")
    shutil.rmtree(unpacked)
    return modules.name


def _pack_initrd(root: Path, modules: Path, folder: Path) -> None:
    """Pack the initial file system: the program `init`, busybox, and the modules of MODULES in their order."""
    initial = folder / "initial"
    for name in ("bin", "dev", "disk", "modules", "proc"):
        (initial / name).mkdir(parents=True)
    shutil.copy2(INIT, initial / "init")
    (archive,) = (root / debian.ARCHIVES).glob("busybox-static_*.deb")
    run(["dpkg-deb", "--extract", archive, folder / "busybox"])
    (program,) = (path for path in (folder / "busybox").rglob("bin/busybox") if path.is_file())
    shutil.copy2(program, initial / "bin/busybox")
    order = _in_order((modules / "modules.dep").read_text())
    for module in order:
        shutil.copyfile(modules / module, initial / "modules" / Path(module).name)
    (initial / "modules/order").write_text("".join(f"{Path(module).name}\n" for module in order))
    (folder / "initrd").write_bytes(cpio.pack(initial))
    shutil.rmtree(initial)
    shutil.rmtree(folder / "busybox")


def _in_order(listing: str) -> list[str]:
    """Return the paths of MODULES and of what these need, each after what it needs; `listing` is a modules.dep."""
    needs = {line.partition(":")[0]: line.partition(":")[2].split() for line in listing.splitlines()}
    wanted = [path for name in MODULES for path in needs if path.endswith(f"/{name}.ko")]
    return list(dict.fromkeys(path for module in wanted for path in (*reversed(needs[module]), module)))


def _configure(tools: Path, root: Path) -> None:
    """Configure the packages."""
    (root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    foreign.run_script(tools, root, CONFIGURE)
    shutil.rmtree(root / debian.ARCHIVES)


def _make_disk(tools: Path, folder: Path) -> None:
    words = ("-q", "-t", "ext4", "-d", f"{emulator.MOUNTED}/root", f"{emulator.MOUNTED}/disk", DISK_SIZE)
    run(emulator.command(tools, folder, "mke2fs", *words))
    (folder / "etc").mkdir()
    for name in ACCOUNTS:
        shutil.copy2(folder / "root/etc" / name, folder / "etc")
