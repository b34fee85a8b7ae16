# shellcheck shell=bash
# On a server: refuse layers whose resource requests exceed the nodes' capacity, before any layer is installed.
# CPU MEMORY

main() {
  local reason; reason=$(capacity_shortage)
  [ -z "$reason" ] || die "$reason" "Disable a layer, or add a node; nothing of the platform was changed."
}
main </dev/null
