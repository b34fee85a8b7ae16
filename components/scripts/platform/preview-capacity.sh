# shellcheck shell=bash
# Drift check on a server: print whether the layers' resource requests exceed the nodes' capacity.
# CPU MEMORY

main() {
  systemctl -q is-active k3s && wait_for 30 api_ready || return 0
  capacity_shortage
}
main </dev/null
