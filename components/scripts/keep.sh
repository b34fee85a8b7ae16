# shellcheck shell=bash
# On every server, when the cluster is whole: it is not to go, whatever an interrupted destroy left.

main() { rm -f $state/retired; }
main </dev/null
