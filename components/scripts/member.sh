# shellcheck shell=bash
# On a machine that is removed: says whether it is still NODE's.
# NODE

main() {
  [ "$(owner)" = "$NODE" ] || flag foreign
}
main </dev/null
