# shellcheck shell=bash
# On a server: gives the users of the stack's kubeconfigs their rights. Who had them by an earlier rotation loses them.
# USERS (binding user, a line each) RIGHTS (objects of Kubernetes)

# In namespaces of apps the RoleBindings are made by the apps' own stacks, which may not run soon.
bind_in_namespaces() { # bind_in_namespaces USER
  local found place user
  # who may make one there may give its user any name, line breaks included: it is quoted
  # shellcheck disable=SC2016 # a template of Go
  found=$(kube get rolebindings -A --field-selector metadata.name=homelab:app \
    -o go-template='{{range .items}}{{.metadata.namespace}} {{range $at, $each := .subjects}}{{if not $at}}{{printf "%q" $each.name}}{{end}}{{end}}{{"\n"}}{{end}}')
  while read -r place user; do
    [ -n "$place" ] && [ "$user" != "\"$1\"" ] || continue
    kube patch rolebinding homelab:app -n "$place" --type=merge \
      -p "{\"subjects\": [{\"apiGroup\": \"rbac.authorization.k8s.io\", \"kind\": \"User\", \"name\": \"$1\"}]}" >/dev/null
  done <<<"$found"
}

main() {
  await_api
  local said
  said=$(kube apply --server-side --force-conflicts -f - 2>&1 <<<"$RIGHTS") ||
    die "The users of the kubeconfigs could not be given their rights:" "$said"
  bind_in_namespaces "$(awk '$1 == "homelab:apps" {print $2}' <<<"$USERS")"
}
main </dev/null
