# shellcheck shell=bash
# Stop K3s on a server and disable its start at boot: servers with the old data would form a second cluster.

main() {
  lock
  systemctl cat k3s >/dev/null 2>&1 || return 0
  say "stopping K3s"
  systemctl disable -q k3s
  timeout 180 systemctl stop k3s || die "K3s on $(hostname) did not stop within 180 s; stop it there, then restore again:" "$(journal k3s)"
}
main </dev/null
