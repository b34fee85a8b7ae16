# shellcheck shell=bash
# On a server: gives people their rights, and takes back those that were given before and are not theirs any more.
# RIGHTS (namespace name role person, a line each; * is the whole cluster)

there() { [ "$1" = '*' ] || kube get namespace "$1" >/dev/null 2>&1; }
bound() { if [ "$1" = '*' ]; then echo "clusterrolebinding/$2"; else echo "rolebinding/$2 -n $1"; fi; }

give() { # give NAMESPACE NAME ROLE PERSON
  local kind=RoleBinding place=", \"namespace\": \"$1\""
  if [ "$1" = '*' ]; then kind=ClusterRoleBinding place=''; fi
  kube apply --server-side --force-conflicts -f - >/dev/null <<END
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "$kind",
 "metadata": {"name": "$2"$place, "labels": {"homelab/rights": "true"}},
 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "$3"},
 "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "$4"}]}
END
}

main() {
  await_api
  local sign where name role person
  while read -r sign where name role person; do
    if [ "$sign" = '>' ]; then
      say "taking back: $person is $role in $where"
      # shellcheck disable=SC2046 # a name, and perhaps its namespace
      kube delete $(bound "$where" "$name") --ignore-not-found >/dev/null
    elif there "$where"; then give "$where" "$name" "$role" "$person"
    else say "there is no namespace $where yet: the \`pulumi up\` after it is there makes $person $role in it"; fi
  done < <(rights_diff)
}
main </dev/null
