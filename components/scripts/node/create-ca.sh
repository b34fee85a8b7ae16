# shellcheck shell=bash
# Before the bootstrap: create the CAs of the cluster, and sign them with the CA of `k3s.ca`. K3s uses the CAs that it
# finds at its first start, stores them in etcd, and distributes them to the other servers.
# NODE CA (exported by a server of the cluster, if there is one); secret: OWN_CA OWN_CA_KEY

tls=$data/server/tls
new=$data/server/tls.homelab
log=/run/homelab/create-ca.log

own_ca() { base64 -d <<<"$OWN_CA"; }

# create NAME COMMON_NAME: create a key and a CA certificate, followed by the certificates of `k3s.ca`. The private key
# of `k3s.ca` is never written to a file.
create() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$new/$1.key" &&
    openssl req -new -key "$new/$1.key" -subj "/CN=$2" |
    openssl x509 -req -CA <(own_ca) -CAkey <(cat <<<"$OWN_CA_KEY") -set_serial "0x$(openssl rand -hex 16)" -days 3650 \
      -extfile <(extensions) -out "$new/$1.crt" &&
    openssl verify -CAfile <(own_ca) "$new/$1.crt" &&
    own_ca >>"$new/$1.crt"
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

main() {
  lock
  if [ -n "${CA:-}" ] || is_member k3s; then return; fi
  say "creating the CAs of the cluster with the CA of k3s.ca"
  rm -rf "$new"
  mkdir -p "$new/etcd" && chmod 700 $data/server "$new" "$new/etcd"
  (umask 077; create_all) >$log 2>&1 || die "The CA of \`k3s.ca\` on $NODE could not sign the CAs of the cluster:" "$(tail -n 5 $log)" \
    "Check that the private key belongs to the certificate, has no passphrase, and that the certificate has not expired; then run \`pulumi up\` again."
  rm -rf "$tls"
  mv "$new" "$tls"
}
main </dev/null
