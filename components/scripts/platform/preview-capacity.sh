# shellcheck shell=bash
# Drift check on a server: print whether the layers' resource requests exceed the nodes' capacity.
# CPU MEMORY

main() {
  systemctl -q is-active k3s && wait_for 30 serving || return 0
  too_small
}
main </dev/null
