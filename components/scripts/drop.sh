# shellcheck shell=bash
# On a server: takes NODE out of the cluster and, with its Node, out of etcd. A node that is gone is dropped as well.
# NODE ROLE DRAIN_SECONDS

status() { kube get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'; }

# Without this server the others must still be a majority of what is left.
check_quorum() {
  local name left=0 alive=0
  for name in $(kube get nodes -l node-role.kubernetes.io/etcd -o jsonpath='{.items[*].metadata.name}'); do
    [ "$name" != "$NODE" ] || continue
    left=$((left + 1))
    [ "$(status "$name")" != True ] || alive=$((alive + 1))
  done
  [ "$left" -gt 0 ] || die "$NODE is the last server; removing it would end the cluster. Use \`pulumi destroy\` for that."
  [ $((alive * 2)) -gt "$left" ] || die "Only $alive of the $left other servers are Ready: removing $NODE would cost etcd its majority." "Bring them back first: kubectl get nodes"
}

main() {
  [ ! -e $state/retired ] && command -v k3s >/dev/null || return 0
  wait_for 120 serving || die "The API on $(hostname) does not answer, so $NODE cannot be taken out of the cluster." "$(journal k3s)" \
    "If the whole cluster is to go: \`sudo touch $state/retired\` on $(hostname), then run it again."
  kube get node "$NODE" >/dev/null 2>&1 || return 0
  if [ "$ROLE" = server ]; then check_quorum; fi
  if [ "$(status "$NODE")" = True ]; then
    say "draining $NODE"
    local report
    report=$(k3s kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout="${DRAIN_SECONDS}s" 2>&1) ||
      die "$NODE could not be drained within $DRAIN_SECONDS s; it was not removed and stays cordoned." "$(tail -n 5 <<<"$report")"
  fi
  say "removing $NODE from the cluster"
  k3s kubectl delete node "$NODE" --timeout=120s >/dev/null || die "Node $NODE could not be deleted within 120 s." "$(kube get node "$NODE" 2>&1)"
}
main </dev/null
