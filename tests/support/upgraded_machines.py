"""Machines with waiting package upgrades, for tests of scripts."""

from tests.support.configured_machines import TOOLS as SYSTEM_TOOLS
from tests.support.configured_machines import installed_system
from tests.support.machine_scripts import FakeMachine

# `lists` is what the mirror offers, and `known` the package lists of the machine. Each installed package is a file
# `installed-NAME` with its version.
APT_GET = r"""
waiting() {
  while read -r name version; do
    grep -qxF "$version" "installed-$name" 2>/dev/null || echo "$name $version"
  done <known
}
case $* in
  *' update')
    if [ -e no-mirror ]; then
      printf '%s\n' 'W: Failed to fetch http://deb.lan' 'W: Some index files failed to download.'
      exit 0
    fi
    cp lists new-known && mv new-known known ;;
  *--download-only*) [ ! -e interrupted ] || { echo 'E: dpkg was interrupted'; exit 100; } ;;
  '-sq upgrade --with-new-pkgs')
    [ ! -e interrupted ] || exit 100
    waiting | sed 's/^/Inst /' ;;
  *' upgrade --with-new-pkgs')
    [ ! -e interrupted ] || { echo 'E: dpkg was interrupted'; exit 100; }
    waiting | while read -r name version; do
      if [ "$version" = broken ]; then
        printf '%s\n' "Setting up $name" 'E: Sub-process /usr/bin/dpkg returned an error code (1)'
        exit 100
      fi
      if [ "$name" = libc6 ]; then echo libc6 >run/reboot-required.pkgs; echo restart >run/reboot-required; fi
      echo "$version" >"new-$name" && mv "new-$name" "installed-$name"
    done ;;
esac
"""
DPKG = r"""
if [ -e dpkg-locked ]; then
  rm dpkg-locked
  echo 'dpkg: error: dpkg frontend lock was locked by another process with pid 812'
  echo 'Note: removing the lock file is always wrong.'
  exit 2
fi
rm -f interrupted
"""
TOOLS = SYSTEM_TOOLS | {"apt-get": APT_GET, "dpkg": DPKG, "systemd-detect-virt": "exit 1", "sleep": ""}
GIVEN = {"NODE": "a", "ROLE": "server", "UPGRADE": "2026-11"}
BOOT = "/proc/sys/kernel/random/boot_id"


def machine_with_upgrades(fake: FakeMachine, *packages: str) -> None:
    """Create a machine of which `packages` have a new version 2."""
    installed_system(fake)
    fake.file("/proc/stat").write_text("cpu 1 2\nbtime 4000000000\n")
    fake.file("/lib/modules/6.1.0/modules.dep").touch()
    fake.file("/boot/vmlinuz-6.1.0").touch()
    offer_upgrades(fake, *packages)


def offer_upgrades(fake: FakeMachine, *packages: str) -> None:
    """Let `packages` be installed in version 1, and offered in version 2."""
    fake.file("/lists").write_text("".join(f"{name} 2\n" for name in packages))
    for name in packages:
        fake.file(f"/installed-{name}").write_text("1\n")


def boot_again(fake: FakeMachine) -> None:
    """Boot the machine: files below /run disappear."""
    for path in ("/run/reboot-required", "/run/reboot-required.pkgs"):
        fake.file(path).unlink(missing_ok=True)
    fake.file(BOOT).write_text("second\n")
