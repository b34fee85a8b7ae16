# shellcheck shell=bash
# Drift check: validate that the stack's kubeconfigs have their roles and that their certificates remain valid.
# USERS (binding user, one per line) REQUESTS (for their certificates, in base64, one per line)

# binding NAME: print the ClusterRoleBinding on one line. K3s's kubectl would take a second on a small board.
binding() {
  curl -sS --max-time 3 --cacert $data/server/tls/server-ca.crt --cert $data/server/tls/client-admin.crt \
    --key $data/server/tls/client-admin.key "https://127.0.0.1:6443/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/$1?pretty=false"
}

main() {
  api_ready >/dev/null 2>&1 || return 0 # without the API, nothing can be compared
  local name user object mark renewal expiry
  while read -r name user; do
    object=$(binding "$name") || return 0
    grep -q "\"subjects\":\[{[^]]*\"name\":\"$user\"}\]" <<<"$object" || echo "$user has no role: $name does not bind this user"
    [ "$name" = homelab:admin ] || continue
    read -r mark renewal expiry < <(grep -o '"homelab/kubeconfigs":"[^"]*"' <<<"$object" | cut -d'"' -f4) || true
    if [ "${mark:-}" != "$(kubeconfigs_mark)" ]; then echo "the kubeconfigs are not signed by this cluster's CAs"
    elif [ "$(date +%s)" -ge "$renewal" ]; then echo "the kubeconfigs expire on $(date -u -d "@$expiry" '+%Y-%m-%d %H:%M') UTC"; fi
  done <<<"$USERS"
}
main </dev/null
