# shellcheck shell=bash
# On a server: bind the users of the stack's kubeconfigs to their roles; users of an earlier rotation lose their roles.
# USERS (binding user, one per line) RIGHTS (manifests of Kubernetes)

# bind_in_namespaces USER: update the RoleBindings in the namespaces of apps, whose own stacks may not run soon.
bind_in_namespaces() {
  local bindings namespace user
  # owners of a namespace may bind a user with any name, even with line breaks, so the name is quoted
  # shellcheck disable=SC2016 # a Go template
  bindings=$(kube get rolebindings -A --field-selector metadata.name=homelab:app \
    -o go-template='{{range .items}}{{.metadata.namespace}} {{range $at, $each := .subjects}}{{if not $at}}{{printf "%q" $each.name}}{{end}}{{end}}{{"\n"}}{{end}}')
  while read -r namespace user; do
    [ -n "$namespace" ] && [ "$user" != "\"$1\"" ] || continue
    kube patch rolebinding homelab:app -n "$namespace" --type=merge \
      -p "{\"subjects\": [{\"apiGroup\": \"rbac.authorization.k8s.io\", \"kind\": \"User\", \"name\": \"$1\"}]}" >/dev/null
  done <<<"$bindings"
}

main() {
  wait_for_api
  local output
  output=$(kube apply --server-side --force-conflicts -f - 2>&1 <<<"$RIGHTS") ||
    die "The users of the kubeconfigs could not be bound to their roles:" "$output"
  bind_in_namespaces "$(awk '$1 == "homelab:apps" {print $2}' <<<"$USERS")"
}
main </dev/null
