# shellcheck shell=bash
# On a server: bind users to their roles, and delete the bindings that are no longer in the stack file.
# RIGHTS (namespace name role user, one per line; * is the whole cluster)

# namespace_exists NAMESPACE: succeed for the whole cluster (*) as well.
namespace_exists() { [ "$1" = '*' ] || kube get namespace "$1" >/dev/null 2>&1; }
binding() { if [ "$1" = '*' ]; then echo "clusterrolebinding/$2"; else echo "rolebinding/$2 -n $1"; fi; }

# grant_role NAMESPACE NAME ROLE USER: create or update a RoleBinding or ClusterRoleBinding.
grant_role() {
  local kind=RoleBinding namespace=", \"namespace\": \"$1\""
  if [ "$1" = '*' ]; then kind=ClusterRoleBinding namespace=''; fi
  kube apply --server-side --force-conflicts -f - >/dev/null <<END
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "$kind",
 "metadata": {"name": "$2"$namespace, "labels": {"homelab/rights": "true"}},
 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "$3"},
 "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "$4"}]}
END
}

main() {
  wait_for_api
  local sign namespace name role user
  while read -r sign namespace name role user; do
    if [ "$sign" = '>' ]; then
      say "deleting the binding of $user to the role $role in $namespace"
      # shellcheck disable=SC2046 # a name, and perhaps its namespace
      kube delete $(binding "$namespace" "$name") --ignore-not-found >/dev/null
    elif namespace_exists "$namespace"; then grant_role "$namespace" "$name" "$role" "$user"
    else say "the namespace $namespace does not exist yet: the first \`pulumi up\` with the namespace binds $user to the role $role in it"; fi
  done < <(rights_diff)
}
main </dev/null
