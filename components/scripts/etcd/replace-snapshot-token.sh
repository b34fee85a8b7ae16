# shellcheck shell=bash
# On a server that was restored with the token of its snapshot: change the cluster's server token to the stack's token.
# secret: OLD_TOKEN TOKEN

main() {
  lock
  wait_for_api
  say "changing the server token"
  local output
  output=$(curl -sS --fail-with-body --max-time 60 --cacert $data/server/tls/server-ca.crt -K - 2>&1 <<EOF
url = "https://127.0.0.1:6443/v1-k3s/token"
request = "PUT"
user = "server:$OLD_TOKEN"
data = "{\"newToken\":\"$TOKEN\"}"
EOF
  ) || die "K3s on $(hostname) rejected the stack's server token:" "$output" "$(journal k3s)"
}
main </dev/null
