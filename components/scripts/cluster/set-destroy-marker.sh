# shellcheck shell=bash
# On every server, before the whole cluster is destroyed: leave a mark. Because of this mark, later runs do not drain
# nodes, and do not refuse to delete data. See `provider/tasks/teardown.py`.

main() {
  if [ -n "$(prepared_node)" ]; then write_atomically $state/retired 600 <<<yes; fi
}
main </dev/null
