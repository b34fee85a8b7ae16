# shellcheck shell=bash
# On one of Nomad's servers: gives the lab's token all rights. Nomad takes such a first token once.
# ADDRESS; secret: TOKEN

folder=/etc/nomad.d

# ask COMMAND…: Nomad's own command, by this machine's certificate. All servers have the same first name.
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
  wait_for 120 led || die "Nomad has had no leader for 120 s: do most of its servers run?" "$(journal nomad)"
  if known >/dev/null 2>&1; then return; fi
  say "giving the lab's token all rights in Nomad"
  local said index
  if said=$(ask acl bootstrap - <<<"$TOKEN" 2>&1 >/dev/null); then return; fi
  index=$(sed -nE 's/.*reset index: ([0-9]+).*/\1/p' <<<"$said")
  [ -n "$index" ] || die "Nomad does not take the lab's token:" "$said"
  die "Nomad has a first token already, and it is not this lab's; nothing was changed, and that token stays valid." \
    "To let the lab's token in as well, on the leader, which is at $(leader):" \
    "  echo $index | sudo tee /var/lib/nomad/server/acl-bootstrap-reset" "Then run \`pulumi up\` again."
}
main </dev/null
