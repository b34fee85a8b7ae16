# shellcheck shell=bash
# On a server: takes back what a killed Helm left, so that it does not wait for itself.
# RELEASES (namespace/name, a line each)

# A first installation begins anew and takes over its own objects; an upgrade goes on from the revision before.
main() {
  await_api
  local each
  # shellcheck disable=SC2086 # a list
  for each in $(pending $RELEASES); do
    say "release ${each%%:*} was interrupted: taking back the record of it"
    kube delete secret -n "${each%%/*}" "${each#*:}" >/dev/null
  done
}
main </dev/null
