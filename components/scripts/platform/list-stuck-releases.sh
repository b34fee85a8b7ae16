# shellcheck shell=bash
# Drift check on a server: print the releases whose Helm run was interrupted.
# RELEASES (namespace/name, one per line)

main() {
  local record
  systemctl -q is-active k3s && wait_for 30 api_ready || return 0
  # shellcheck disable=SC2086 # a list
  for record in $(interrupted_releases $RELEASES); do echo "Helm was interrupted at release ${record%%:*} (${record##*:})"; done
}
main </dev/null
