"""Machines with an operating system that the settings of `machine` can change, for tests of scripts."""

import grp
import os
import pwd

from tests.support.machine_scripts import FakeMachine

SYSTEMCTL = r"""
unit=${*: -1}; unit=${unit%.service}
case $* in
  *is-active*.mount*) [ -e "mounted-$unit" ] ;;
  *disable*.mount*) [ ! -e "busy-$unit" ] && rm -f "mounted-$unit" "enabled-$unit" ;;
  *enable*.mount*) touch "enabled-$unit" ;;
  restart*.mount*) [ ! -e "broken-$unit" ] && touch "mounted-$unit" ;;
  *is-active*) [ -e "units/$unit" ] ;;
  *is-enabled*) [ -e "units/$unit" ] ;;
  'cat '*) [ -e "units/$unit" ] ;;
  restart* | try-restart* | reload*) [ ! -e "broken-$unit" ] ;;
esac
"""
SYSCTL = """
[ "$1" != -n ] || { cat "sysctl-$2"; exit; }
set_key() {
  [ "${1#*=}" != refused ] || { echo "sysctl: setting key ${1%%=*}: Invalid argument" >&2; exit 1; }
  printf '%s\\n' "${1#*=}" | tr ' ' '\\t' >"new-${1%%=*}" && mv "new-${1%%=*}" "sysctl-${1%%=*}"
}
case $* in
  '-q -e -w '*) set_key "${*: -1}" ;;
  '-q -p '*) while IFS= read -r line; do set_key "$line"; done <"${*: -1}" ;;
esac
"""
APT_GET = r"""
mkdir -p packages
case $* in
  '-sq remove '*)
    name=${*: -1}
    echo "Remv $name"
    if [ -e "needs-$name" ]; then echo "Remv $(cat "needs-$name")"; fi ;;
  *' remove '*) rm -f "packages/${*: -1}" ;;
  *' install '*)
    all=$*
    for name in ${all#*--no-install-recommends}; do
      [ ! -e "unknown-$name" ] || { echo "E: Unable to locate package $name"; exit 100; }
      echo installed >"packages/$name" || exit 1
    done ;;
esac
"""
MODPROBE = r"""
name=${*: -1}
name=${name//-/_}
case $* in
  '-r '*) [ ! -e "used-$name" ] && rm -rf "sys/module/$name" ;;
  *)
    [ ! -e "unknown-$name" ] || { echo "modprobe: FATAL: Module $name not found." >&2; exit 1; }
    mkdir -p "sys/module/$name" ;;
esac
"""
OWNER = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
"""User and group of the files on a simulated machine, which belong to root and group root on a real machine."""
STAT = '/usr/bin/stat "$@"' + ("" if OWNER == "root:root" else f' | sed "s/ {OWNER}$/ root:root/"')
TOOLS = {
    "systemctl": SYSTEMCTL, "sysctl": SYSCTL, "apt-get": APT_GET, "modprobe": MODPROBE, "id": "echo 0",
    "dpkg-query": 'cat "packages/${*: -1}" 2>/dev/null', "pgrep": '[ -e "running-$2" ]', "pkill": "", "chown": "",
    "stat": STAT, "mountpoint": '[ -e "used-${2##*/}" ]',
    "uname": "echo 6.1.0", "journalctl": "echo cannot parse", "df": "echo 4096", "getent": '[ "$2" = root ]',
    "lsblk": 'cat "tree-${*: -1}" 2>/dev/null || exit 32', "wipefs": 'cat "signature-${*: -1}" 2>/dev/null || true',
    "blkid": 'cat "uuid-${*: -1}" 2>/dev/null || exit 2',
    "mkfs.ext4": '[ ! -e broken-disk ] || { echo bad blocks; exit 1; }; echo "$4" >new-uuid && mv new-uuid "uuid-$5"',
    "update-grub": "cat etc/default/grub.d/*.cfg >new-grub.cfg && mv new-grub.cfg boot-grub.cfg",
}  # fmt: skip
GIVEN = {"NODE": "a", "ROLE": "server", "NEEDED": "curl nfs-common"}
BOOT_LINE = "console=serial0 root=PARTUUID=1-02 rootwait"
RESOLV = "search lan\nnameserver 10.0.0.1\noptions edns0\n"


def installed_system(fake: FakeMachine) -> None:
    """Create a Raspberry Pi with Debian, systemd-timesyncd and a plain /etc/resolv.conf."""
    for path, content in {
        "/run/systemd/system/any": "", "/etc/timezone": "Etc/UTC\n", "/etc/resolv.conf": RESOLV, "/units/cron": "",
        "/units/systemd-timesyncd": "", "/usr/share/zoneinfo/Europe/Berlin": "", "/usr/share/zoneinfo/Etc/UTC": "",
        "/usr/share/zoneinfo/Asia/Tokyo": "", "/sysctl-vm.swappiness": "60\n", "/sysctl-net.a": "1\t2\n",
        "/boot/firmware/cmdline.txt": f"{BOOT_LINE}\n", "/proc/cmdline": f"{BOOT_LINE}\n",
        "/proc/sys/kernel/random/boot_id": "first\n", "/proc/sys/kernel/random/uuid": "1234-ab\n",
        "/packages/vim": "installed\n", "/etc/motd": "Welcome\n",
        "/var/lib/homelab/node": "a\n", "/units/smartd": "",
    }.items():  # fmt: skip
        fake.file(path).write_text(content)
    fake.file("/etc/localtime").symlink_to(f"{fake.root}/usr/share/zoneinfo/Etc/UTC")


def entry(path: str, content: str, mode: str = "644", units: str = "", key: str = "files") -> str:
    """Return a file as the task passes it."""
    return f"{key} {path} {mode} root:root {len(content.encode())} {units}".rstrip() + f"\n{content}\n"
