# shellcheck shell=bash
# On a server: takes NODE out of the cluster and, with its Node, out of etcd. A node that is gone is dropped as well.
# NODE ROLE DRAIN_SECONDS SERVERS

# Without this server the others must still be a majority of what is left.
check_quorum() {
  local others reason
  others=$(members | grep -cv "^$NODE " || true)
  [ "$others" -gt 0 ] || die "$NODE is the last server; removing it would end the cluster. Use \`pulumi destroy\` for that."
  reason=$(unsafe_without "$NODE")
  [ -z "$reason" ] || die "Removing $NODE would cost etcd its majority: $reason." "Bring them back first: kubectl get nodes"
}

main() {
  [ ! -e $state/retired ] && command -v k3s >/dev/null || return 0
  wait_for 120 serving || die "The API on $(hostname) does not answer, so $NODE cannot be taken out of the cluster." "$(journal k3s)" \
    "If the whole cluster is to go: \`sudo touch $state/retired\` on $(hostname), then run it again."
  kube get node "$NODE" >/dev/null 2>&1 || return 0
  if [ "$ROLE" = server ]; then
    lock
    drop_gone
    kube get node "$NODE" >/dev/null 2>&1 || return 0
    check_quorum
  fi
  if [ "$(status "$NODE")" = True ]; then drain removed; fi
  say "removing $NODE from the cluster"
  delete_node "$NODE"
}
main </dev/null
