# shellcheck shell=bash
# On a server: takes back what a killed Helm left, so that it does not wait for itself.
# RELEASES (namespace/name, a line each)

# remove_record NAMESPACE/RELEASE SECRET STATUS: after it, an installation takes over its own objects, and an upgrade goes on
# from the revision before. Of a release that was half uninstalled every revision goes, or its name would stay in use.
remove_record() {
  say "release $1 was interrupted ($3): removing the record of it"
  # the last to go is the one that a next run would find
  if [ "$3" = uninstalling ]; then kube delete secrets -n "${1%%/*}" -l "owner=helm,name=${1#*/},status!=uninstalling" >/dev/null; fi
  kube delete secret -n "${1%%/*}" "$2" >/dev/null
}

main() {
  await_api
  local release secret status
  # shellcheck disable=SC2086 # a list
  while IFS=: read -r release secret status; do
    [ -z "$release" ] || remove_record "$release" "$secret" "$status"
  done < <(pending $RELEASES)
}
main </dev/null
