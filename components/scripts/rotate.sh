# shellcheck shell=bash
# On a server restored with the token of its snapshot: gives the cluster the token that the stack has.
# secret: OLD_TOKEN TOKEN

main() {
  lock
  await_api
  say "changing the server token"
  local said
  said=$(curl -sS --fail-with-body --max-time 60 --cacert $data/server/tls/server-ca.crt -K - 2>&1 <<EOF
url = "https://127.0.0.1:6443/v1-k3s/token"
request = "PUT"
user = "server:$OLD_TOKEN"
data = "{\"newToken\":\"$TOKEN\"}"
EOF
  ) || die "K3s did not take the stack's token:" "$said" "$(journal k3s)"
}
main </dev/null
