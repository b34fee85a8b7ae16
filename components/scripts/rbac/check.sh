# shellcheck shell=bash
# Drift check on a server: print missing and superfluous role bindings of users.
# RIGHTS (namespace name role user, one per line; * is the whole cluster)

main() {
  systemctl -q is-active k3s && wait_for 30 api_ready || return 0
  local sign namespace name role user
  while read -r sign namespace name role user; do
    if [ "$sign" = '>' ]; then echo "$user has the role $role in $namespace by the binding $name"
    elif [ "$namespace" = '*' ] || kube get namespace "$namespace" >/dev/null 2>&1; then echo "$user does not have the role $role in $namespace"; fi
  done < <(rights_diff)
}
main </dev/null
