# shellcheck shell=bash
# Install Nomad next to K3s: the verified program of the release, its configuration and its service.
# VERSION RELEASES PINS CONFIG; secret: GOSSIP (servers) AUTHORITY CERTIFICATE CERTIFICATE_KEY

own=$state/nomad
bin=/usr/local/bin/nomad
folder=/etc/nomad.d
service=/etc/systemd/system/nomad.service

# refuse_foreign: refuse to overwrite, or to merge with, a Nomad that homelab did not install.
refuse_foreign() {
  local path
  [ ! -e $own ] || return 0
  for path in $bin $folder $service; do
    [ ! -e "$path" ] || die "$path exists already, and homelab did not install it; no changes were made." "Uninstall that Nomad first, or use another machine."
  done
}

# install_program: install the program of a release whose archive has the right checksum, unless it is installed already.
install_program() {
  local arch name sum own_sum source="# $VERSION $RELEASES ${PINS//$'\n'/ }"
  if [ "$(head -n 1 $own/program 2>/dev/null)" = "$source" ] && sha256sum --status -c $own/program 2>/dev/null; then return; fi
  arch=$(architecture)
  name=nomad_${VERSION}_linux_$arch.zip
  sum=$(pinned_sum "$arch")
  if [ -z "$sum" ]; then
    fetch "$RELEASES/$VERSION/nomad_${VERSION}_SHA256SUMS" $own/sums
    sum=$(listed_sum $own/sums "$name")
  fi
  fetch_verified "$RELEASES/$VERSION/$name" $own/archive "$sum"
  install_packages unzip
  unzip -qo $own/archive nomad -d $own
  chmod 755 $own/nomad
  copy_atomically $own/nomad $bin
  own_sum=$(sha256sum $bin) || die "$bin could not be read."
  write_atomically $own/program 600 <<<"$source"$'\n'"$own_sum"
}

# A server keeps its first gossip key, whatever the configuration contains later, and refuses servers with another key.
refuse_other_gossip() {
  local keyring=/var/lib/nomad/server/serf.keyring
  [ -n "$GOSSIP" ] && [ -e $keyring ] || return 0
  grep -qF "$GOSSIP" $keyring || die "Nomad on $(hostname) encrypts gossip with another key than the stack's; no changes were made." \
    "Its key is in $keyring: store it as a secret of the stack, and set \`nomad.gossipKey\` to that secret."
}

# put NAME TEXT: write a file that only root can read, or delete it if there is no text.
put() { if [ -n "$2" ]; then write_atomically "$folder/$1" 600 <<<"$2"; else rm -f "${folder:?}/$1"; fi; }

configure() {
  local gossip=
  [ -z "$GOSSIP" ] || gossip="{\"server\": {\"encrypt\": \"$GOSSIP\"}}"
  put homelab.json "$CONFIG"
  put gossip.json "$gossip"
  put ca.pem "$AUTHORITY"
  put cert.pem "$CERTIFICATE"
  put key.pem "$CERTIFICATE_KEY"
  # KillMode=process: Nomad's jobs survive its restart
  write_atomically $service 644 <<END
[Unit]
Description=Nomad, set up by homelab
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart=$bin agent -config $folder
KillMode=process
LimitNOFILE=65536
Restart=on-failure
RestartSec=2
TasksMax=infinity

[Install]
WantedBy=multi-user.target
END
}

main() {
  lock
  refuse_foreign
  refuse_other_gossip
  mkdir -p $own && chmod 700 $own
  install_program
  rm -f $own/archive $own/sums $own/nomad
  configure
  write_atomically $own/wanted 600 < <(find $bin $service $folder -type f ! -name '*.homelab-new' -exec sha256sum {} + | sort -k 2)
  if cmp -s $own/wanted $own/running && systemctl -q is-active nomad; then return; fi
  systemctl daemon-reload
  systemctl -q enable nomad
  say "starting Nomad"
  systemctl restart nomad 2>/dev/null || die "Nomad does not start; fix the cause, then run \`pulumi up\` again:" "$(journal nomad)"
  mv -f $own/wanted $own/running
}
main </dev/null
