# shellcheck shell=bash
# Before the bootstrap: create the CAs of the cluster, and sign them with the CA of `k3s.ca`. K3s uses the CAs that it
# finds at its first start, stores them in etcd, and distributes them to the other servers.
# NODE CA (exported by a server of the cluster, if there is one); secret: OWN_CA OWN_CA_KEY

tls=$data/server/tls
new=$data/server/tls.homelab
log=/run/homelab/create-ca.log

own_ca() { base64 -d <<<"$OWN_CA"; }

# create NAME COMMON_NAME: create a key and a CA certificate. The private key of `k3s.ca` is never written to a file. Only
# the CA of the servers contains the certificates of `k3s.ca`, which clients of the API trust: in the other files, they
# would make K3s accept every client certificate that the CA of `k3s.ca` ever signed.
create() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$new/$1.key" &&
    openssl req -new -key "$new/$1.key" -subj "/CN=$2" |
    openssl x509 -req -CA <(own_ca) -CAkey <(cat <<<"$OWN_CA_KEY") -set_serial "0x$(openssl rand -hex 16)" -days 3650 \
      -extfile <(extensions) -out "$new/$1.crt" &&
    openssl verify -CAfile <(own_ca) "$new/$1.crt" &&
    if [ "$1" = server-ca ]; then own_ca >>"$new/$1.crt"; fi
}

extensions() {
  echo "basicConstraints=critical,CA:TRUE"
  echo "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign"
  echo "subjectKeyIdentifier=hash"
  echo "authorityKeyIdentifier=keyid"
}

create_all() {
  create client-ca k3s-client-ca && create server-ca k3s-server-ca && create request-header-ca k3s-request-header-ca &&
    create etcd/peer-ca etcd-peer-ca && create etcd/server-ca etcd-server-ca
}

# are_created: succeed if an earlier run created the CAs: a bootstrap that failed may have stored them in etcd.
are_created() {
  local name
  for name in client-ca server-ca request-header-ca etcd/peer-ca etcd/server-ca; do
    if [ ! -s "$tls/$name.key" ] || ! openssl verify -CAfile <(own_ca) "$tls/$name.crt" >/dev/null 2>&1; then return 1; fi
  done
}

main() {
  lock
  if [ -n "${CA:-}" ] || is_member k3s || are_created; then return; fi
  [ ! -d $data/server/db/etcd ] || die "An earlier bootstrap of $NODE has failed, and has created the cluster without \`k3s.ca\`." \
    "Run \`pulumi destroy\`, and then \`pulumi up\`."
  say "creating the CAs of the cluster with the CA of k3s.ca"
  rm -rf "$new"
  mkdir -p "$new/etcd" && chmod 700 $data/server "$new" "$new/etcd"
  (umask 077; create_all) >$log 2>&1 || die "The CA of \`k3s.ca\` on $NODE could not sign the CAs of the cluster:" "$(tail -n 5 $log)" \
    "Check that the private key belongs to the certificate, has no passphrase, and that the certificate has not expired; then run \`pulumi up\` again."
  systemctl stop k3s 2>/dev/null || true # a K3s that fails to start would create CAs of its own
  rm -rf "$tls"
  mv -T "$new" "$tls"
}
main </dev/null
