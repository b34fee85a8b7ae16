# shellcheck shell=bash
# Puts what was staged in use, with K3s' own installer, and waits until this machine serves.
# NODE ROLE VERSION ENDPOINT PEERS TAINTS FIXED FOUND CA CA_HASH (where a server of the cluster told them)

staged=$state/staged
release=$state/k3s/$VERSION
service=$(unit)
first=$etc/config.yaml.d/first-start.yaml

install_files() {
  mkdir -p $etc/config.yaml.d $data/agent && chmod 700 $etc $etc/config.yaml.d $data/agent
  write $etc/config.yaml 600 <$staged/config.yaml
  write $etc/config.yaml.d/secrets.yaml 600 <$staged/secrets.yaml
  write $etc/registries.yaml 600 <$staged/registries.yaml
  install_token
  local file
  for file in admission audit; do
    if [ -s $staged/$file.yaml ]; then write $etc/$file.yaml 600 <$staged/$file.yaml; else rm -f $etc/$file.yaml; fi
  done
  if [ "$ROLE" = server ]; then
    write $etc/agent-token 600 <$staged/agent-token
    install_server_files
  fi
  install_images "$release/images.tar.zst" $data/agent/images/homelab.tar.zst
}

# A token that names the cluster's CA is given to nobody else. Only the server that founds the cluster starts without.
install_token() {
  local hash=''
  founds || hash=$(ca_hash)
  write $etc/token 600 < <(full_token "$hash")
  if [ -n "$hash" ]; then write $state/ca-hash 600 <<<"$hash"; else rm -f $state/ca-hash; fi
}

# They are large, and the disk of a small board is slow: they are copied only to another file system.
install_images() {
  if [ ! -e "$1" ] || [ "$1" -ef "$2" ]; then return; fi
  mkdir -p $data/agent/images
  ln -f "$1" "$2" 2>/dev/null || cp -f "$1" "$2"
}

# K3s enforces NetworkPolicies, and an agent of it is up, once the kubelet has told of itself since the network was there.
# Of itself it tells every 5 minutes.
report_often() {
  write $data/agent/etc/kubelet.conf.d/05-homelab.conf 600 <<'END'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
nodeStatusReportFrequency: 10s
END
}

# What K3s once deployed goes only with an emptied file: without one it stays in the cluster.
install_server_files() {
  mkdir -p $data/server/manifests $data/server/logs && chmod 700 $data/server $data/server/manifests $data/server/logs
  local manifests=$data/server/manifests/homelab.yaml
  if [ -n "$(cat $staged/manifests.yaml)" ] || [ -e $manifests ]; then write $manifests 600 <$staged/manifests.yaml; fi
}

install_k3s() {
  cmp -s "$release/k3s" /usr/local/bin/k3s || copy "$release/k3s" /usr/local/bin/k3s
  local log; log=$(mktemp)
  INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_EXEC=$ROLE sh "$release/install.sh" >"$log" 2>&1 ||
    die "K3s' installer failed:" "$(tail -n 15 "$log")"
  rm -f "$log"
}

# What counts for the first start only: taints from the first moment on, and how the cluster is entered.
first_start() {
  local lines='' entrance=''
  if ! joined "$service"; then
    if [ -n "$TAINTS" ]; then lines="node-taint: [\"${TAINTS//$'\n'/\", \"}\"]"$'\n'; fi
    if founds; then
      check_unclaimed
      say "founding the cluster"
      lines+=$'cluster-init: true\nserver: ""\n'
    else
      await_entrance
      [ "$entrance" = "$ENDPOINT" ] || lines+="server: https://$entrance"$'\n'
    fi
  fi
  write $first 600 <<<"$lines"
}

# founds: this start makes the cluster. None of its servers, asked over SSH, knows of it.
founds() { [ "$FOUND" = yes ] && [ -z "${CA:-}" ] && ! joined "$service"; }

# check_unclaimed: refuses to found a cluster where another one answers.
check_unclaimed() {
  local peer
  for peer in $ENDPOINT $PEERS; do
    ! speaks_k3s "$peer" || die "A K3s server answers at $peer, and no server of \`nodes\` says over SSH that it is its own: no cluster was founded." \
      "If it is another cluster's, give \`api\` another address. If it is one that this stack should have, its machines belong into \`nodes\`."
  done
}

# The API endpoint; or another server, as long as no certificate knows an endpoint that is new.
entered() {
  for entrance in $ENDPOINT $PEERS; do
    if cluster_answers "$entrance"; then return; fi
  done
  return 1
}

await_entrance() {
  [ -n "$(cluster_ca)" ] || die "No server of the cluster told its CA over SSH, so $NODE joins nobody." "See which servers run: systemctl status k3s"
  say "waiting for the API endpoint $ENDPOINT"
  wait_for 120 entered || die "No K3s server answered at $ENDPOINT within 120 s." "$(reachability)"
}

reachability() {
  curl -vsS --max-time 3 --cacert <(cluster_ca) "https://$ENDPOINT/ping" 2>&1 | grep -E '^(\*|curl:).*(connect|refused|route|timed out|certificate)' | tail -n 3 || true
  ! speaks_k3s "$ENDPOINT" || echo "A K3s server answers there which this cluster's CA does not vouch for; it was told nothing."
}

healthy() {
  systemctl -q is-active "$service" || return 1
  if [ "$ROLE" = server ]; then serving; else curl -fsS --max-time 3 http://127.0.0.1:10248/healthz; fi
}
given_up() { [ "$(systemctl show -p NRestarts --value "$service")" -ge 8 ]; }
healthy_or_given_up() { healthy || given_up; }

# The virtual address leaves before the API does, so that nobody asks here in vain. HAProxy here asks the others.
hand_over_address() {
  local peer
  ours $keepalived_conf && ! ours $haproxy_conf && serving >/dev/null 2>&1 || return 0
  for peer in $PEERS; do
    cluster_answers "$peer" || continue
    trap 'systemctl start keepalived' EXIT
    systemctl stop keepalived
    return
  done
}

# Agents are given new certificates whenever they start.
rotate_certificates() {
  local said
  if [ "$ROLE" = server ] && [ -e $state/certificates ] && ! cmp -s $staged/certificates $state/certificates; then
    say "rotating the certificates"
    systemctl stop k3s
    said=$(k3s certificate rotate 2>&1) || die "The certificates could not be rotated:" "$(tail -n 5 <<<"$said")"
  fi
  write $state/certificates 600 <$staged/certificates
}

# K3s does not start where its passwords are newer than those in etcd, as after another agent token. It makes them anew.
forget_passwords() { if [ "$ROLE" = server ]; then rm -f $data/server/cred/passwd; fi; }

start() {
  local now end
  tick; end=$((now + 42000))
  say "starting $service"
  systemctl reset-failed "$service" 2>/dev/null || true
  systemctl enable -q "$service"
  forget_passwords
  say "waiting for $service to serve"
  # returns as soon as K3s says that it is up, or has failed for the first time
  timeout 420 systemctl restart "$service" 2>/dev/null || true
  tick
  if ! wait_for $(((end - now) / 100)) healthy_or_given_up || ! healthy >/dev/null 2>&1; then
    die "$service does not serve on $NODE. Its journal ends:" "$(journal "$service")" "Free space in /var/lib: $(df -h --output=avail /var/lib | tail -n 1 | xargs)"
  fi
}

main() {
  lock
  if ours $keepalived_conf; then systemctl start keepalived; fi # a run that ended early may have left it stopped
  if cmp -s $state/applied $state/wanted && [ -z "$(drift)" ] && healthy >/dev/null 2>&1; then return; fi
  rm -f $state/applied
  install_files
  report_often
  install_k3s
  hand_over_address
  first_start
  rotate_certificates
  start
  rm -f $first
  install_token # by now the server that founded the cluster knows its CA
  write $state/fixed 600 <<<"$FIXED"
  write $state/program 600 < <(program)
  write $state/version 600 <<<"$VERSION"
  write $state/applied 600 <$state/wanted
}
main </dev/null
