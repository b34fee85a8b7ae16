# shellcheck shell=bash
# Looks whether the stack's kubeconfigs open the API, with their rights, and for how long.
# USERS (binding user, a line each) REQUESTS (for each of them, in base64)

# binding NAME: as the API has it, on one line. K3s' kubectl takes a second on a small board.
binding() {
  curl -sS --max-time 3 --cacert $data/server/tls/server-ca.crt --cert $data/server/tls/client-admin.crt \
    --key $data/server/tls/client-admin.key "https://127.0.0.1:6443/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/$1?pretty=false"
}

main() {
  serving >/dev/null 2>&1 || return 0 # nothing is known
  local name user found mark renew ends
  while read -r name user; do
    found=$(binding "$name") || return 0
    grep -q "\"subjects\":\[{[^]]*\"name\":\"$user\"}\]" <<<"$found" || echo "$user has no rights: $name does not bind it"
    [ "$name" = homelab:admin ] || continue
    read -r mark renew ends < <(grep -o '"homelab/kubeconfigs":"[^"]*"' <<<"$found" | cut -d'"' -f4) || true
    if [ "${mark:-}" != "$(kubeconfigs_mark)" ]; then echo "the kubeconfigs are not signed by this cluster's authorities"
    elif [ "$(date +%s)" -ge "$renew" ]; then echo "the kubeconfigs end on $(date -u -d "@$ends" '+%Y-%m-%d %H:%M') UTC"; fi
  done <<<"$USERS"
}
main </dev/null
