# shellcheck shell=bash
# On a server: names rights that people should have and do not have, and the other way round.
# RIGHTS (namespace name role person, a line each; * is the whole cluster)

main() {
  systemctl -q is-active k3s && wait_for 30 serving || return 0
  local sign where name role person
  while read -r sign where name role person; do
    if [ "$sign" = '>' ]; then echo "$person is $role in $where by $name"
    elif [ "$where" = '*' ] || kube get namespace "$where" >/dev/null 2>&1; then echo "$person is not $role in $where"; fi
  done < <(rights_diff)
}
main </dev/null
