# shellcheck shell=bash
# On a server: makes the cluster take other tokens; each server is given them in its turn after that.
# VERSION; secret: TOKEN AGENT_TOKEN

# Agents' token is one of K3s' passwords, which go into etcd with the rotation, and from there to every server.
write_agent_token() { sed -i -f <(printf 's/^[^,]*,node,/%s,node,/\n' "$AGENT_TOKEN") $data/server/cred/passwd; }

# As `k3s token rotate` does it, which would show both tokens on its command line.
rotate() {
  printf '{"newToken":"%s"}' "$TOKEN" | curl -sS --fail-with-body --max-time 60 --cacert $data/server/tls/server-ca.crt \
    -K <(printf 'user = "server:%s"\n' "$(secret_of $etc/token)") -X PUT --data-binary @- https://127.0.0.1:6443/v1-k3s/token
}

main() {
  await_api
  local mark said; mark=$(sha256sum <<<"$TOKEN" | cut -c 1-16)
  [ "$(kube get namespace kube-system -o jsonpath='{.metadata.annotations.homelab/token}')" != "$mark" ] || return 0
  if [ "$(secret_of $etc/token)" != "$TOKEN" ]; then
    # between a rotation and its restart, a server takes no snapshot, which an upgrade begins with
    [ "$(versions | sort -u)" = "$VERSION" ] || die "Tokens are rotated by an \`up\` of its own; nothing was touched. The servers run" "$(versions)" \
      "Put \`k3s.version\` back and \`pulumi up\`, which rotates them; then go to $VERSION."
    say "rotating the tokens"
    write_agent_token
    said=$(rotate 2>&1) || die "The server token could not be rotated:" "$(tail -n 5 <<<"$said")"
  fi
  kube annotate namespace kube-system --overwrite "homelab/token=$mark" >/dev/null
}
main </dev/null
