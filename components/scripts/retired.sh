# shellcheck shell=bash
# On a server: says whether a destroy of the whole lab has begun; nothing on a machine that is no longer a node.

main() {
  [ -n "$(owner)" ] || return 0
  if [ -e $state/retired ]; then echo yes; else echo no; fi
}
main </dev/null
