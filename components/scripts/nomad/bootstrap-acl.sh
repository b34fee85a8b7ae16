# shellcheck shell=bash
# On one of Nomad's servers: bootstrap Nomad's ACLs with the lab's token, which Nomad allows only once.
# ADDRESS; secret: TOKEN

folder=/etc/nomad.d

# ask COMMAND…: run Nomad's CLI with this machine's certificate. The certificates of all servers have the same DNS name.
ask() {
  NOMAD_ADDR="https://$(bracketed):4646" NOMAD_TLS_SERVER_NAME=server.global.nomad NOMAD_CACERT=$folder/ca.pem \
    NOMAD_CLIENT_CERT=$folder/cert.pem NOMAD_CLIENT_KEY=$folder/key.pem nomad "$@"
}

bracketed() { case $ADDRESS in *:*) echo "[$ADDRESS]" ;; *) echo "$ADDRESS" ;; esac; }

leader() { ask operator api /v1/status/leader 2>/dev/null | tr -d '"'; }

led() { [ -n "$(leader)" ]; }

known() { NOMAD_TOKEN=$TOKEN ask acl token self; }

main() {
  lock
  wait_for 120 led || die "Nomad has no leader after 120 s: check that most of its servers are running, then run \`pulumi up\` again." "$(journal nomad)"
  if known >/dev/null 2>&1; then return; fi
  say "bootstrapping Nomad's ACLs with the lab's token"
  local output index
  if output=$(ask acl bootstrap - <<<"$TOKEN" 2>&1 >/dev/null); then return; fi
  index=$(sed -nE 's/.*reset index: ([0-9]+).*/\1/p' <<<"$output")
  [ -n "$index" ] || die "Nomad rejects the lab's token:" "$output"
  die "Nomad's ACLs were bootstrapped with another token than this lab's; no changes were made, and that token stays valid." \
    "To allow the lab's token as well, on the leader at $(leader):" \
    "  echo $index | sudo tee /var/lib/nomad/server/acl-bootstrap-reset" "Then run \`pulumi up\` again."
}
main </dev/null
