# shellcheck shell=bash
# On a server: print yes or no: whether a destroy of the whole lab has started. On a machine that is no longer a node,
# print nothing.

main() {
  [ -n "$(prepared_node)" ] || return 0
  if [ -e $state/retired ]; then echo yes; else echo no; fi
}
main </dev/null
