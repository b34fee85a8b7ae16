# shellcheck shell=bash
# On a server: prints the administrator's kubeconfig, through the API endpoint.
# ENDPOINT NAME CERTIFICATES

main() {
  wait_for 120 serving || die "The API on $(hostname) does not answer within 120 s." "$(journal k3s)"
  : "$CERTIFICATES" # after a rotation it is read anew
  sed -e "s|https://127.0.0.1:6443|https://$ENDPOINT|" -e "s|: default\$|: $NAME|" $etc/k3s.yaml
}
main </dev/null
