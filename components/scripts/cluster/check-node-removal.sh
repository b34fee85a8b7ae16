# shellcheck shell=bash
# On a server that stays, before any change: fail if the removal of all nodes in NODES would lose etcd's quorum, or
# volumes that are on no other node.
# REMOVED_SERVERS NODES (of any role) FLAGS

main() {
  command -v k3s >/dev/null && wait_for 20 api_ready || return 0
  local reason node ready
  # shellcheck disable=SC2086 # a list of names
  reason=$(quorum_loss_without $REMOVED_SERVERS)
  [ -z "$REMOVED_SERVERS" ] || [ -z "$reason" ] || die "Without $REMOVED_SERVERS etcd would lose its quorum; no changes were made: $reason." \
    "Make the other servers Ready first (kubectl get nodes), then remove $REMOVED_SERVERS."
  for node in $NODES; do
    node_exists "$node" || continue
    ready=$(ready_condition "$node") || die "The API on $(hostname) did not answer whether $node is Ready; no changes were made. Run \`pulumi up\` again."
    # shellcheck disable=SC2086 # a list of names
    if [ "$ready" = True ]; then check_volumes "$node" $NODES; fi
  done
}
main </dev/null
