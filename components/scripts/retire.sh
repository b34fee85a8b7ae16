# shellcheck shell=bash
# On every server, before the whole cluster goes: no node need be drained, and no data are guarded. See `provider/teardown.py`.

main() {
  if [ -n "$(owner)" ]; then write $state/retired 600 <<<yes; fi
}
main </dev/null
