# shellcheck shell=bash
# Stops K3s on a server and keeps it from starting by itself: two servers with old data would be a second cluster.

main() {
  lock
  systemctl cat k3s >/dev/null 2>&1 || return 0
  say "stopping K3s"
  systemctl disable -q k3s
  timeout 180 systemctl stop k3s || die "K3s does not stop on $(hostname) within 180 s:" "$(journal k3s)"
}
main </dev/null
