# shellcheck shell=bash
# On a server: export the cluster's CA, and the CA's hash, which tokens contain. A machine that is not a member of the
# cluster exports nothing.

main() {
  local hash
  if ! is_member k3s; then return; fi
  hash=$(own_ca_hash)
  [ -n "$hash" ] || return 0
  export_variable CA_HASH "$hash"
  export_variable CA "$(base64 -w0 $data/server/tls/server-ca.crt)"
}
main </dev/null
