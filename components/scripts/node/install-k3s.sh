# shellcheck shell=bash
# Install the staged K3s with its own installer, start it, and wait until this machine is ready.
# NODE ROLE VERSION ENDPOINT PEERS TAINTS FIXED FOUND CA CA_HASH (exported by a server of the cluster, if there is one)

staged=$state/staged
release=$state/k3s/$VERSION
service=$(unit)
first=$etc/config.yaml.d/first-start.yaml

install_files() {
  mkdir -p $etc/config.yaml.d $data/agent && chmod 700 $etc $etc/config.yaml.d $data/agent
  write_atomically $etc/config.yaml 600 <$staged/config.yaml
  write_atomically $etc/config.yaml.d/secrets.yaml 600 <$staged/secrets.yaml
  write_atomically $etc/registries.yaml 600 <$staged/registries.yaml
  write_atomically $kubelet_conf 600 <$staged/kubelet.conf
  install_token
  local file
  for file in admission audit; do
    if [ -s $staged/$file.yaml ]; then write_atomically $etc/$file.yaml 600 <$staged/$file.yaml; else rm -f $etc/$file.yaml; fi
  done
  if [ "$ROLE" = server ]; then
    write_atomically $etc/agent-token 600 <$staged/agent-token
    install_server_files
  fi
  install_images "$release/images.tar.zst" $data/agent/images/homelab.tar.zst
}

# K3s sends a token with a CA's hash only to a cluster of that CA. Only the server that bootstraps the cluster starts
# without the hash.
install_token() {
  local hash=''
  founds || hash=$(ca_hash)
  write_atomically $etc/token 600 < <(full_token "$hash")
  if [ -n "$hash" ]; then write_atomically $state/ca-hash 600 <<<"$hash"; else rm -f $state/ca-hash; fi
}

# The archive of images is large, and the disk of a small board is slow: hard-link it, and copy only across file systems.
install_images() {
  if [ ! -e "$1" ] || [ "$1" -ef "$2" ]; then return; fi
  mkdir -p $data/agent/images
  ln -f "$1" "$2" 2>/dev/null || cp -f "$1" "$2"
}

# K3s deletes the objects of a manifest only if the file still exists without them, so the file is emptied, not deleted.
install_server_files() {
  mkdir -p $data/server/manifests $data/server/logs && chmod 700 $data/server $data/server/manifests $data/server/logs
  install_manifests $staged/manifests.yaml $data/server/manifests/homelab.yaml
  install_manifests $staged/own-manifests.yaml $data/server/manifests/homelab-own.yaml
}

# install_manifests FILE TARGET: install the staged manifests, if there are any.
install_manifests() { if grep -qs . "$1" || [ -e "$2" ]; then write_atomically "$2" 600 < <(cat "$1" 2>/dev/null || true); fi; }

install_k3s() {
  cmp -s "$release/k3s" /usr/local/bin/k3s || copy_atomically "$release/k3s" /usr/local/bin/k3s
  local log; log=$(mktemp)
  INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_EXEC=$ROLE sh "$release/install.sh" >"$log" 2>&1 ||
    die "K3s's installer failed on $NODE:" "$(tail -n 15 "$log")"
  rm -f "$log"
}

# Write the settings that only the first start of K3s needs: the taints, and how to bootstrap or join the cluster.
first_start() {
  local lines='' entrance=''
  if ! is_member "$service"; then
    if [ -n "$TAINTS" ]; then lines="node-taint: [\"${TAINTS//$'\n'/\", \"}\"]"$'\n'; fi
    if founds; then
      check_unclaimed
      say "bootstrapping the cluster"
      lines+=$'cluster-init: true\nserver: ""\n'
    else
      await_entrance
      [ "$entrance" = "$ENDPOINT" ] || lines+="server: https://$entrance"$'\n'
    fi
  fi
  write_atomically $first 600 <<<"$lines"
}

# founds: succeed if this start bootstraps the cluster, because no server reported a CA over SSH.
founds() { [ "$FOUND" = yes ] && [ -z "${CA:-}" ] && ! is_member "$service"; }

# check_unclaimed: refuse to bootstrap a cluster at an endpoint where another one answers.
check_unclaimed() {
  local peer
  for peer in $ENDPOINT $PEERS; do
    ! any_k3s_answers "$peer" || die "A K3s server answers at $peer, but over SSH no server of \`nodes\` is a member of a cluster: no cluster was bootstrapped." \
      "If another cluster uses that address, set another one in \`api\`. If that cluster belongs to this stack, add its machines to \`nodes\`."
  done
}

# entered: find a server that answers: the API endpoint, or a peer while no certificate contains a new endpoint yet.
entered() {
  for entrance in $ENDPOINT $PEERS; do
    if cluster_answers "$entrance"; then return; fi
  done
  return 1
}

await_entrance() {
  [ -n "$(cluster_ca)" ] || die "No server of the cluster reported its CA over SSH, so $NODE did not join." \
    "Check K3s on the servers with \`systemctl status k3s\`, then run \`pulumi up\` again."
  say "waiting for the API endpoint $ENDPOINT"
  wait_for 120 entered || die "No K3s server answered at $ENDPOINT within 120 s." "$(reachability)" \
    "Check that K3s runs on a server, and that no firewall blocks the endpoint; then run \`pulumi up\` again."
}

reachability() {
  curl -vsS --max-time 3 --cacert <(cluster_ca) "https://$ENDPOINT/ping" 2>&1 | grep -E '^(\*|curl:).*(connect|refused|route|timed out|certificate)' | tail -n 3 || true
  ! any_k3s_answers "$ENDPOINT" || echo "A K3s server answers there, but its certificate is not from this cluster's CA; no token was sent."
}

healthy() {
  systemctl -q is-active "$service" || return 1
  if [ "$ROLE" = server ]; then api_ready; else curl -fsS --max-time 3 http://127.0.0.1:10248/healthz; fi
}
failed_often() { [ "$(systemctl show -p NRestarts --value "$service")" -ge 8 ]; }
healthy_or_failed_often() { healthy || failed_often; }

# Move the virtual IP to another server before K3s stops, so that no client's request fails. With HAProxy, the address can
# stay, because HAProxy forwards requests to other servers.
hand_over_address() {
  local peer
  is_managed $keepalived_conf && ! is_managed $haproxy_conf && api_ready >/dev/null 2>&1 || return 0
  for peer in $PEERS; do
    cluster_answers "$peer" || continue
    trap 'systemctl start keepalived' EXIT
    systemctl stop keepalived
    return
  done
}

# rotate_certificates: rotate the certificates of a server. Agents get new certificates at every start.
rotate_certificates() {
  local output
  if [ "$ROLE" = server ] && [ -e $state/certificates ] && ! cmp -s $staged/certificates $state/certificates; then
    say "rotating the certificates"
    systemctl stop k3s
    output=$(k3s certificate rotate 2>&1) || die "The certificates of $NODE could not be rotated:" "$(tail -n 5 <<<"$output")"
  fi
  write_atomically $state/certificates 600 <$staged/certificates
}

# K3s does not start if its password file is newer than the copy in etcd, as after a rotation of the agent token. K3s
# creates a deleted password file again.
forget_passwords() { if [ "$ROLE" = server ]; then rm -f $data/server/cred/passwd; fi; }

start() {
  local now end
  read_uptime; end=$((now + 42000))
  say "starting $service"
  systemctl reset-failed "$service" 2>/dev/null || true
  systemctl enable -q "$service"
  forget_passwords
  say "waiting for $service to be ready"
  # `systemctl restart` returns as soon as K3s has reported its start, or has failed for the first time
  timeout 420 systemctl restart "$service" 2>/dev/null || true
  read_uptime
  if ! wait_for $(((end - now) / 100)) healthy_or_failed_often || ! healthy >/dev/null 2>&1; then
    die "$service did not become ready on $NODE. Its journal ends:" "$(journal "$service")" "Free space in /var/lib: $(df -h --output=avail /var/lib | tail -n 1 | xargs)" \
      "Fix the cause, then run \`pulumi up\` again."
  fi
}

# remove_old_programs: delete the programs that older releases of K3s unpacked. K3s never deletes them; it uses those of
# `current` and `previous`, and pods that survived an upgrade use the programs with which they were started.
remove_old_programs() {
  local folder kept; kept=$(readlink -f $data/data/current $data/data/previous || true)
  for folder in "$data"/data/*; do
    if [[ ! ${folder##*/} =~ ^[0-9a-f]{64}$ ]] || grep -qxF -- "$(readlink -f "$folder")" <<<"$kept"; then continue; fi
    [ -n "$(find /proc/[0-9]*/exe -maxdepth 0 -lname "$(readlink -f "$folder")/*" 2>/dev/null | head -n 1)" ] || rm -rf "$folder"
  done
}

main() {
  lock
  if is_managed $keepalived_conf; then systemctl start keepalived; fi # an interrupted run may have left it stopped
  if cmp -s $state/applied $state/wanted && [ -z "$(drift)" ] && healthy >/dev/null 2>&1; then return; fi
  rm -f $state/applied
  install_files
  install_k3s
  hand_over_address
  first_start
  rotate_certificates
  start
  rm -f $first
  remove_old_programs
  install_token # by now the bootstrapping server has its CA, too
  write_atomically $state/fixed 600 <<<"$FIXED"
  write_atomically $state/program 600 < <(program_fingerprint)
  write_atomically $state/version 600 <<<"$VERSION"
  write_atomically $state/applied 600 <$state/wanted
}
main </dev/null
