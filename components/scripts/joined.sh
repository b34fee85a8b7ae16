# shellcheck shell=bash
# Looks whether the machine still holds what makes it a member of the cluster.

main() {
  if [ -z "$(owner)" ]; then echo "it is no member: its disk is new"
  elif ! joined "$(cat $state/service 2>/dev/null)"; then echo "it is no member: K3s' data are gone from it"; fi
}
main </dev/null
