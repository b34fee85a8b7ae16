# shellcheck shell=bash
# On another server: remove the old Node of NODE, whose machine has no data, before NODE joins again. Remove lost servers
# as well, because etcd accepts no new member while one of its members does not answer.
# NODE ROLE ADDRESS SERVERS

forget_node() {
  local old_address ready reason
  kube get node "$NODE" >/dev/null 2>&1 || return 0
  old_address=$(kube get node "$NODE" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}')
  ready=$(ready_condition "$NODE")
  case "$ready $old_address " in
    True*" $ADDRESS "* | [!T]*) ;;
    *) die "$NODE is Ready at ${old_address% }, so the machine at $ADDRESS cannot be $NODE as well; no changes were made." \
      "Power off the old machine, wait until \`kubectl get nodes\` shows NotReady, then run \`pulumi up\` again." ;;
  esac
  reason=$(quorum_loss_without "$NODE")
  [ -z "$reason" ] || die "$NODE has lost its data, and cannot join again: $reason." \
    "Make the other servers Ready first (kubectl get nodes), then run \`pulumi up\` again."
  say "removing the old Node of $NODE from the cluster"
  delete_node "$NODE"
}

# find_stale: set `stale` to the old Node of NODE and the lost servers; fail if the API does not answer.
find_stale() { stale=$(kube get node "$NODE" --ignore-not-found -o name) && { [ "$ROLE" = agent ] || stale+=$(lost_servers); }; }

main() {
  local stale
  wait_for 120 find_stale || die "The API on $(hostname) does not answer within 120 s, so $NODE cannot join; run \`pulumi up\` again." "$(journal k3s)"
  # the machines of a new cluster, which has no stale nodes, must not wait for each other at the lock
  [ -n "$stale" ] || return 0
  lock
  forget_node
  if [ "$ROLE" = server ]; then remove_lost_servers; fi
}
main </dev/null
