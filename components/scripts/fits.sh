# shellcheck shell=bash
# On a server: refuses layers that ask for more than the machines have, before any of them is installed.
# CPU MEMORY

main() {
  local reason; reason=$(too_small)
  [ -z "$reason" ] || die "$reason" "Switch a layer off, or add a machine; nothing of the platform was touched."
}
main </dev/null
