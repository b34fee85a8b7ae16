# shellcheck shell=bash
# On a server: rotate the cluster's tokens; later, each server gets the new tokens when it is changed.
# VERSION; secret: TOKEN AGENT_TOKEN

# The agent token is in K3s's password file. The rotation stores this file in etcd, and K3s copies it to every server.
write_agent_token() { sed -i -f <(printf 's/^[^,]*,node,/%s,node,/\n' "$AGENT_TOKEN") $data/server/cred/passwd; }

# rotate: do the same as `k3s token rotate`, which would show both tokens on its command line.
rotate() {
  printf '{"newToken":"%s"}' "$TOKEN" | curl -sS --fail-with-body --max-time 60 --cacert $data/server/tls/server-ca.crt \
    -K <(printf 'user = "server:%s"\n' "$(token_secret $etc/token)") -X PUT --data-binary @- https://127.0.0.1:6443/v1-k3s/token
}

main() {
  wait_for_api
  local mark output; mark=$(sha256sum <<<"$TOKEN" | cut -c 1-16)
  [ "$(kube get namespace kube-system -o jsonpath='{.metadata.annotations.homelab/token}')" != "$mark" ] || return 0
  if [ "$(token_secret $etc/token)" != "$TOKEN" ]; then
    # an upgrade starts with a snapshot, but after a rotation, a server cannot take a snapshot before K3s has restarted
    [ "$(server_versions | sort -u)" = "$VERSION" ] || die "Tokens cannot be rotated together with an upgrade; no changes were made. The servers run" "$(server_versions)" \
      "Set \`k3s.version\` back and \`pulumi up\`, which rotates the tokens; then upgrade to $VERSION."
    say "rotating the tokens"
    write_agent_token
    output=$(rotate 2>&1) || die "The server token could not be rotated:" "$(tail -n 5 <<<"$output")"
  fi
  kube annotate namespace kube-system --overwrite "homelab/token=$mark" >/dev/null
}
main </dev/null
