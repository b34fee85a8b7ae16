# shellcheck shell=bash
# On a server: takes NODE out of the cluster and, with its Node, out of etcd. A node that is gone is removed as well.
# NODE DRAIN_SECONDS SERVERS FLAGS UNREACHABLE (yes: NODE does not answer on SSH)

# Without this server the others must still be a majority of what is left.
check_quorum() {
  local others reason
  others=$(members | grep -cv "^$NODE " || true)
  [ "$others" -gt 0 ] || die "$NODE is the last server; removing it would end the cluster. Use \`pulumi destroy\` for that."
  reason=$(unsafe_without "$NODE")
  [ -z "$reason" ] || die "Removing $NODE would cost etcd its quorum: $reason." "Bring them back first: kubectl get nodes"
}

not_ready() { [ "$(status "$NODE")" != True ]; }

# Kubernetes hears of a dead machine within 50 s. One that is Ready for longer lives, and would come back by itself as a
# member that nobody described.
check_dead() {
  [ "${UNREACHABLE:-}" = yes ] || return 0
  say "waiting for $NODE to be NotReady: it does not answer on SSH"
  wait_for 90 not_ready || die "$NODE does not answer on SSH, but its Node is Ready: it runs, so it was not removed." \
    "Mend the way to it, or switch it off; then run \`pulumi up\` again."
}

# What a dead machine held alone is lost. What is printed becomes a warning.
name_lost_volumes() {
  local lost; lost=$(volumes_only_on "$NODE" || true)
  [ -z "$lost" ] || printf '%s\n' "$NODE was removed without these volumes, which no other machine has:" "$lost"
}

main() {
  local voting
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || api_away "The API on $(hostname) does not answer, so $NODE cannot be taken out of the cluster." "$(journal k3s)" \
    "If the whole lab is to go and none of its servers comes back: HOMELAB_DELETE_UNREACHABLE=true pulumi destroy"
  exists "$NODE" || return 0
  check_dead
  # whole before it is searched: a search that ends early would end the listing, and that passes for an answer
  voting=$(members) || die "The API on $(hostname) does not say which servers there are, so $NODE was not removed." "$(journal k3s)"
  if grep -q "^$NODE " <<<"$voting"; then
    lock
    drop_gone
    exists "$NODE" || return 0
    check_quorum
  fi
  if not_ready; then name_lost_volumes; else
    check_volumes "$NODE"
    drain removed
  fi
  say "removing $NODE from the cluster"
  delete_node "$NODE"
}
main </dev/null
