# shellcheck shell=bash
# On a server: moves the pods away from NODE before it is changed.
# NODE DRAIN_SECONDS

main() {
  command -v k3s >/dev/null && kube get node "$NODE" >/dev/null 2>&1 || return 0
  local others; others=$(kube get nodes -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.spec.unschedulable}{"\n"}{end}' | grep -v "^$NODE " | grep -cv true || true)
  if [ "$others" = 0 ]; then say "$NODE is the only node: its pods stay"; return; fi
  if [ "$(kube get node "$NODE" -o jsonpath='{.spec.unschedulable}')" != true ]; then
    kube annotate node "$NODE" homelab/cordoned=true --overwrite >/dev/null
  fi
  say "draining $NODE"
  local report; report=$(mktemp)
  k3s kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout="${DRAIN_SECONDS}s" >"$report" 2>&1 || {
    local blocked; blocked=$(grep -iE 'cannot evict|disruption budget|error when evicting|pending' "$report" | tail -n 5)
    rm -f "$report"
    die "$NODE could not be drained within $DRAIN_SECONDS s; it was not changed and stays cordoned." "$blocked" \
      "Disruption budgets that allow nothing now:" \
      "$(kube get poddisruptionbudgets -A -o jsonpath='{range .items[?(@.status.disruptionsAllowed==0)]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}')"
  }
  rm -f "$report"
}
main </dev/null
