# shellcheck shell=bash
# On a server: remove NODE from the cluster and, with its Node object, from etcd. Its machine may be lost already.
# NODE DRAIN_SECONDS SERVERS FLAGS UNREACHABLE (yes: NODE does not answer on SSH) FOREIGN (yes: another machine answers)

# The remaining servers must have a quorum without NODE.
check_quorum() {
  local others reason
  others=$(etcd_members | grep -cv "^$NODE " || true)
  [ "$others" -gt 0 ] || die "$NODE is the last server, so its removal would destroy the cluster; use \`pulumi destroy\` for that."
  reason=$(quorum_loss_without "$NODE")
  [ -z "$reason" ] || die "Without $NODE etcd would lose its quorum, so $NODE was not removed: $reason." \
    "Make the other servers Ready first (kubectl get nodes), then run \`pulumi up\` again."
}

# away: succeed if NODE's machine is unreachable, or another machine has its address, so that its data cannot be moved.
away() { [ "${UNREACHABLE:-}${FOREIGN:-}" != '' ]; }

not_ready() { local now; now=$(ready_condition "$NODE") && [ "$now" != True ]; }

# Kubernetes detects a failed node within 50 s. A node that stays Ready for longer is running, and would register again
# although it is no longer in the stack file.
check_dead() {
  local problem="does not answer on SSH"
  away || return 0
  [ -z "${FOREIGN:-}" ] || problem="is not the machine that answers on SSH at its address"
  say "waiting for $NODE to be NotReady: it $problem"
  wait_for 90 not_ready || die "$NODE $problem, but its Node is still Ready after 90 s: it is running, so it was not removed." \
    "Make $NODE reachable on SSH, or power it off; then run \`pulumi up\` again."
}

# keep_volumes: refuse to lose volumes of a machine that answers, whether its Node is Ready or not. Volumes that only a
# lost machine had are lost; the output about them becomes a warning.
keep_volumes() {
  away || { check_volumes "$NODE"; return; }
  local lost; lost=$(volumes_only_on "$NODE") || lost="Which volumes is unknown, because the API did not answer."
  [ -z "$lost" ] || printf '%s\n' "$NODE was removed, and these volumes are lost, because they were on no other node:" "$lost"
}

# is_removed: succeed if NODE is not in the cluster; still refuse to lose volumes on a machine that answers.
is_removed() {
  ! node_exists "$NODE" || return 1
  away || check_volumes "$NODE"
}

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 api_ready || die_api_unavailable "The API on $(hostname) does not answer within 120 s, so $NODE was not removed from the cluster." "$(journal k3s)" \
    "To destroy the whole lab although no server will answer again: HOMELAB_DELETE_UNREACHABLE=true pulumi destroy"
  local ready in_etcd
  if is_removed; then return; fi
  check_dead
  # the output is stored first, because `grep -q` in a pipe ends at the first match and would hide a failure
  in_etcd=$(etcd_members) || die "The API on $(hostname) did not answer which servers are in etcd, so $NODE was not removed; run \`pulumi up\` again." "$(journal k3s)"
  if grep -q "^$NODE " <<<"$in_etcd"; then
    lock
    remove_lost_servers
    if is_removed; then return; fi
    check_quorum
  fi
  ready=$(ready_condition "$NODE") || die "The API on $(hostname) did not answer whether $NODE is Ready, so it was not removed; run \`pulumi up\` again." "$(journal k3s)"
  keep_volumes
  if [ "$ready" = True ]; then
    pause_kured removed
    drain removed
  fi
  say "removing $NODE from the cluster"
  delete_node "$NODE"
  # the removed node would never release the lock of kured; homelab's own lock expires
  take_kured_lock || true
}
main </dev/null
