# shellcheck shell=bash
# On a server: exports the cluster's CA, and the hash of it that stands in tokens. A machine that is no member has none.

main() {
  local hash
  if ! joined k3s; then return; fi
  hash=$(own_ca_hash)
  [ -n "$hash" ] || return 0
  export_variable CA_HASH "$hash"
  export_variable CA "$(base64 -w0 $data/server/tls/server-ca.crt)"
}
main </dev/null
