# shellcheck shell=bash
# On a machine that is given up: says whether the cluster must still be told, and whether it is still NODE's.
# NODE

main() {
  [ "$(owner)" = "$NODE" ] || flag foreign
  if [ -e $state/retired ]; then flag retired; fi
}
main </dev/null
