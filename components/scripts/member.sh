# shellcheck shell=bash
# On a machine that is given up: says whether the cluster must still be told.
# ROLE

main() {
  if [ -e $state/retired ] || ! [ -e "/etc/systemd/system/$(unit).service" ]; then flag retired; fi
}
main </dev/null
