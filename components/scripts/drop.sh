# shellcheck shell=bash
# On a server: takes NODE out of the cluster and, with its Node, out of etcd. A node that is gone is removed as well.
# NODE DRAIN_SECONDS SERVERS FLAGS UNREACHABLE (yes: NODE does not answer on SSH) FOREIGN (yes: what answers is not NODE)

# Without this server the others must still be a majority of what is left.
check_quorum() {
  local others reason
  others=$(members | grep -cv "^$NODE " || true)
  [ "$others" -gt 0 ] || die "$NODE is the last server; removing it would end the cluster. Use \`pulumi destroy\` for that."
  reason=$(unsafe_without "$NODE")
  [ -z "$reason" ] || die "Removing $NODE would cost etcd its quorum: $reason." "Bring them back first: kubectl get nodes"
}

# away: NODE's machine is out of reach, or another one is at its address: what it held cannot be looked after.
away() { [ "${UNREACHABLE:-}${FOREIGN:-}" != '' ]; }

not_ready() { local now; now=$(status "$NODE") && [ "$now" != True ]; }

# Kubernetes hears of a dead machine within 50 s. One that is Ready for longer lives, and would come back by itself as a
# member that nobody described.
check_dead() {
  local silent="does not answer on SSH"
  away || return 0
  [ -z "${FOREIGN:-}" ] || silent="is not what answers at its address on SSH"
  say "waiting for $NODE to be NotReady: it $silent"
  wait_for 90 not_ready || die "$NODE $silent, but its Node is Ready: it runs, so it was not removed." \
    "Mend the way to it, or switch it off; then run \`pulumi up\` again."
}

# keep_volumes: where the machine is there, its volumes are, too, whether its Node is Ready or gone. What a dead one held alone
# is lost; what is printed of it becomes a warning.
keep_volumes() {
  away || { check_volumes "$NODE"; return; }
  local lost; lost=$(volumes_only_on "$NODE") || lost="It is not known which: the API did not say."
  [ -z "$lost" ] || printf '%s\n' "$NODE was removed without these volumes, which no other machine has:" "$lost"
}

# gone: NODE is out of the cluster. What a machine that is there holds is kept nevertheless.
gone() {
  ! exists "$NODE" || return 1
  away || check_volumes "$NODE"
}

main() {
  command -v k3s >/dev/null || return 0
  wait_for 120 serving || api_away "The API on $(hostname) does not answer, so $NODE cannot be taken out of the cluster." "$(journal k3s)" \
    "If the whole lab is to go and none of its servers comes back: HOMELAB_DELETE_UNREACHABLE=true pulumi destroy"
  local ready in_etcd
  if gone; then return; fi
  check_dead
  # whole before it is searched: a search that ends early would end the listing, and that passes for an answer
  in_etcd=$(members) || die "The API on $(hostname) does not say who is in etcd, so $NODE was not removed." "$(journal k3s)"
  if grep -q "^$NODE " <<<"$in_etcd"; then
    lock
    drop_gone
    if gone; then return; fi
    check_quorum
  fi
  ready=$(status "$NODE") || die "The API on $(hostname) does not say whether $NODE is Ready, so it was not removed." "$(journal k3s)"
  keep_volumes
  if [ "$ready" = True ]; then drain removed; fi
  say "removing $NODE from the cluster"
  delete_node "$NODE"
}
main </dev/null
