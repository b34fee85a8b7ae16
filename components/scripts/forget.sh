# shellcheck shell=bash
# On another server: takes out of the cluster what is left there of NODE, whose machine comes without data, and
# servers that are gone for good: etcd takes no new member while one of its members is silent.
# NODE ROLE ADDRESS SERVERS

forget_node() {
  local at ready reason
  kube get node "$NODE" >/dev/null 2>&1 || return 0
  at=$(kube get node "$NODE" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}')
  ready=$(status "$NODE")
  case "$ready $at " in
    True*" $ADDRESS "* | [!T]*) ;;
    *) die "$NODE lives at ${at% }: the machine at $ADDRESS cannot be $NODE as well; nothing was touched." \
      "Switch the old machine off, wait until \`kubectl get nodes\` says NotReady, then run \`pulumi up\` again." ;;
  esac
  reason=$(unsafe_without "$NODE")
  [ -z "$reason" ] || die "$NODE came back without its data, and cannot be taken in anew: $reason." "Bring the others back first: kubectl get nodes"
  say "taking what $NODE was out of the cluster"
  delete_node "$NODE"
}

# look: sees what is left of NODE, and which servers are gone for good.
look() { seen=$(kube get node "$NODE" --ignore-not-found -o name) && { [ "$ROLE" = agent ] || seen+=$(lost_servers); }; }

main() {
  local seen
  wait_for 120 look || die "The API on $(hostname) does not answer within 120 s, so $NODE cannot be taken in." "$(journal k3s)"
  [ -n "$seen" ] || return 0 # as on a new cluster, where nobody's turn is waited for
  lock
  forget_node
  if [ "$ROLE" = server ]; then drop_gone; fi
}
main </dev/null
