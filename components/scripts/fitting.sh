# shellcheck shell=bash
# On a server: says whether the layers ask for more than the machines have.
# CPU MEMORY

main() {
  systemctl -q is-active k3s && wait_for 30 serving || return 0
  too_small
}
main </dev/null
