# shellcheck shell=bash
# On a server: prints the administrator's kubeconfig, through the API endpoint.
# ENDPOINT NAME CERTIFICATES

main() {
  await_api
  : "$CERTIFICATES" # after a rotation it is read anew
  sed -e "s|https://127.0.0.1:6443|https://$ENDPOINT|" -e "s|: default\$|: $NAME|" $etc/k3s.yaml
}
main </dev/null
