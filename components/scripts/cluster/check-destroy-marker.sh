# shellcheck shell=bash
# On a server: print whether a destroy of the whole lab has started; nothing on a machine that is no longer a node.

main() {
  [ -n "$(prepared_node)" ] || return 0
  if [ -e $state/retired ]; then echo yes; else echo no; fi
}
main </dev/null
