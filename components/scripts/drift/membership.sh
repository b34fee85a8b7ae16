# shellcheck shell=bash
# Drift check: print whether the machine lost the data that make it a member of the cluster.

main() {
  if [ -z "$(prepared_node)" ]; then echo "the machine is not a member of the cluster: its disk is new"
  elif ! is_member "$(cat $state/service 2>/dev/null)"; then echo "the machine is not a member of the cluster: K3s's data were deleted"; fi
}
main </dev/null
