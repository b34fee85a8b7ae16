# shellcheck shell=bash
# Goes before every script. Standard error: "==> " lines are progress, the rest explains a failure.
# Standard output: what the task keeps; "flag: " lines decide which steps follow.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap 'printf "line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

state=/var/lib/homelab
etc=/etc/rancher/k3s
data=/var/lib/rancher/k3s

say() { printf '==> %s\n' "$*" >&2; }
die() { trap - ERR; printf '%s\n' "$@" >&2; exit 1; }
flag() { printf 'flag: %s\n' "$1"; }

# wait_for SECONDS COMMAND…: poll until the command succeeds; fails when the time is over.
wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}

# write FILE MODE: put standard input there in one move. Succeeds if the file changed, else returns 1.
write() {
  local file=$1 mode=$2 new
  mkdir -p "$(dirname "$file")"
  new=$(mktemp "$file.XXXXXX")
  cat >"$new"
  chmod "$mode" "$new"
  if cmp -s "$new" "$file" && [ "$(stat -c %a "$file")" = "$mode" ]; then rm -f "$new"; return 1; fi
  mv -f "$new" "$file"
}

# Scripts that change a machine take turns on it: one that lost its connection may still be running.
lock() {
  mkdir -p "$state" && chmod 700 "$state"
  exec 9>/run/homelab.lock
  flock -n 9 && return
  say "waiting for an earlier run on this machine to end"
  flock -w 900 9 || die "Another homelab script has been running here for 15 minutes." "See: fuser -v /run/homelab.lock"
}

# Whose machine this is: the name of the node it was prepared as; nothing if it was not.
owner() { cat $state/node 2>/dev/null || true; }

# The architecture of the userland, as K3s names it: a 32-bit system may run on a 64-bit kernel.
architecture() {
  case "$(uname -m)/$(getconf LONG_BIT)" in
    x86_64/64) echo amd64 ;;
    aarch64/64 | arm64/64) echo arm64 ;;
    aarch64/32 | armv7l/* | armv8l/*) echo arm ;;
    *) die "K3s has no release for $(uname -m) with a $(getconf LONG_BIT)-bit userland." ;;
  esac
}

memory_cgroup() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then grep -qw memory /sys/fs/cgroup/cgroup.controllers
  else [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; fi
}

# command_line: the file that the Raspberry Pi keeps its kernel's command line in, elsewhere before Debian 12; it has one line.
command_line() {
  local file
  for file in /boot/firmware/cmdline.txt /boot/cmdline.txt ''; do [ ! -f "$file" ] || break; done
  echo "$file"
}

unit() { if [ "${ROLE:-server}" = server ]; then echo k3s; else echo k3s-agent; fi; }

# journal UNIT: its last lines, those that K3s itself calls errors first.
journal() {
  local lines; lines=$(journalctl --no-pager -o cat -n 300 -u "$1" 2>/dev/null | cut -c 1-300)
  { grep -E 'level=(error|fatal)|panic' <<<"$lines" | tail -n 8; tail -n 5 <<<"$lines"; } || true
}

kube() { k3s kubectl --request-timeout=15s "$@"; }

# device: the interface of this machine that carries ADDRESS, unless INTERFACE names another.
device() { if [ -n "${INTERFACE:-}" ]; then echo "$INTERFACE"; else ip -o addr show to "$ADDRESS" | awk '{print $2; exit}'; fi; }

# serving: the API server on this machine is ready.
serving() {
  curl -fsS --max-time 3 --cacert $data/server/tls/server-ca.crt --cert $data/server/tls/client-admin.crt \
    --key $data/server/tls/client-admin.key https://127.0.0.1:6443/readyz
}

# answers HOST:PORT: a K3s server speaks there.
answers() { [ "$(curl -ksS --max-time 3 "https://$1/ping" 2>/dev/null)" = pong ]; }

# drift: says what on this machine is not as it was last applied, a line each.
drift() {
  [ -e $state/applied ] || { echo "K3s was not put here by homelab, or its record is gone"; return; }
  local now file
  now=$(systemctl is-active "$(unit)" || true)
  case $now in active | activating) ;; *) echo "$(unit) is $now" ;; esac
  cmp -s "$state/k3s/$(cat $state/staged/version)/k3s" /usr/local/bin/k3s || echo "/usr/local/bin/k3s is another program"
  for file in config.yaml registries.yaml token admission.yaml audit.yaml; do
    [ ! -s "$state/staged/$file" ] || cmp -s "$state/staged/$file" "$etc/$file" || echo "$etc/$file was changed"
  done
}

# pending NAMESPACE/RELEASE…: records of interrupted Helm runs at these, each namespace/release:secret.
pending() {
  local each
  for each; do
    kube get secrets -n "${each%%/*}" -l "owner=helm,name=${each#*/},status in (pending-install,pending-upgrade,pending-rollback)" \
      -o jsonpath="{range .items[*]}$each:{.metadata.name}{'\n'}{end}"
  done
}
