# shellcheck shell=bash
# On a server, before NODE is changed: waits until etcd keeps its quorum without it for a while, and refuses an agent that
# would be newer than a server. A node that is not well is missed by nobody.
# NODE ROLE VERSION

spared() { [ -z "$(unsafe_without "$NODE")" ]; }

# older_servers: servers that run an older version than NODE is to get.
older_servers() { versions | while read -r each; do if newer "$each" "$VERSION"; then echo "$each"; fi; done; }

# Kubernetes allows no kubelet that is newer than the API server. It is a matter of order: servers roll before agents.
check_order() {
  local older; older=$(older_servers)
  [ -z "$older" ] || die "$NODE is not upgraded to $VERSION before the servers, which run:" "$older" "Run \`pulumi up\` without --target."
}

main() {
  wait_for 20 serving || return 0
  if [ "$ROLE" = agent ]; then check_order; return; fi
  exists "$NODE" || return 0
  local ready in_etcd
  ready=$(status "$NODE") || die "The API on $(hostname) does not say whether $NODE is Ready, so it was not changed." "$(journal k3s)"
  in_etcd=$(members) || die "The API on $(hostname) does not say who is in etcd, so $NODE was not changed." "$(journal k3s)"
  [ "$ready" = True ] && [ "$(wc -l <<<"$in_etcd")" -gt 1 ] || return 0
  spared || say "waiting for the other servers: $(unsafe_without "$NODE")"
  wait_for 120 spared || die "$NODE was not changed, because the API would be away while it restarts: $(unsafe_without "$NODE")." \
    "Bring them back, or take what is gone for good out of \`nodes\`; then run \`pulumi up\` again."
}
main </dev/null
