# shellcheck shell=bash
# On a server: names the releases that Helm was at when it was killed.
# RELEASES (namespace/name, a line each)

main() {
  local each
  systemctl -q is-active k3s && wait_for 30 serving || return 0
  # shellcheck disable=SC2086 # a list
  for each in $(pending $RELEASES); do echo "Helm was killed at release ${each%%:*} (${each##*:})"; done
}
main </dev/null
