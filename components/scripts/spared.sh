# shellcheck shell=bash
# On a server: waits until etcd can do without NODE for a while. One that is not well is missed by nobody.
# NODE ROLE

spared() { [ -z "$(unsafe_without "$NODE")" ]; }

main() {
  [ "$ROLE" = server ] && wait_for 20 serving && [ "$(status "$NODE")" = True ] || return 0
  [ "$(members | wc -l)" -gt 1 ] || return 0
  spared || say "waiting for the other servers: $(unsafe_without "$NODE")"
  wait_for 120 spared || die "$NODE was not touched, because the API would be away while it restarts: $(unsafe_without "$NODE")." \
    "Bring them back, or take what is gone for good out of \`nodes\`; then run \`pulumi up\` again."
}
main </dev/null
