# shellcheck shell=bash
# On every server, after all nodes were changed: delete the mark of an unfinished destroy, because the cluster stays.

main() { rm -f $state/retired; }
main </dev/null
