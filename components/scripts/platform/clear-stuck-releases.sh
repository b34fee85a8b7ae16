# shellcheck shell=bash
# On a server: delete the records of interrupted Helm runs, which would block the next run.
# RELEASES (namespace/name, one per line)

# remove_record NAMESPACE/RELEASE SECRET STATUS: delete the record of the interrupted Helm run. The next installation
# then adopts the objects that exist already, and the next upgrade continues from the previous revision. If the release
# was being uninstalled, delete all its revisions, because Helm would refuse to install a release of the same name.
remove_record() {
  say "release $1 was interrupted ($3): deleting its record"
  # the record is deleted last, because a later run finds the release by it
  if [ "$3" = uninstalling ]; then kube delete secrets -n "${1%%/*}" -l "owner=helm,name=${1#*/},status!=uninstalling" >/dev/null; fi
  kube delete secret -n "${1%%/*}" "$2" >/dev/null
}

main() {
  wait_for_api
  local release secret status
  # shellcheck disable=SC2086 # a list
  while IFS=: read -r release secret status; do
    [ -z "$release" ] || remove_record "$release" "$secret" "$status"
  done < <(interrupted_releases $RELEASES)
}
main </dev/null
