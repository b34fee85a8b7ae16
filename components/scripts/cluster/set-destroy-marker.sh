# shellcheck shell=bash
# On every server, before the whole cluster is destroyed: leave a mark, so that later runs neither drain nodes nor guard
# data. See `provider/tasks/teardown.py`.

main() {
  if [ -n "$(prepared_node)" ]; then write_atomically $state/retired 600 <<<yes; fi
}
main </dev/null
