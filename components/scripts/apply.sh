# shellcheck shell=bash
# Puts what was staged in use, with K3s' own installer, and waits until this machine serves.
# NODE ROLE VERSION ENDPOINT PEERS TAINTS FIXED FOUND

staged=$state/staged
release=$state/k3s/$VERSION
service=$(unit)
first=$etc/config.yaml.d/first-start.yaml

install_files() {
  mkdir -p $etc/config.yaml.d $data/agent && chmod 700 $etc $etc/config.yaml.d $data/agent
  install -m 600 $staged/config.yaml $etc/config.yaml
  install -m 600 $staged/secrets.yaml $etc/config.yaml.d/secrets.yaml
  install -m 600 $staged/registries.yaml $etc/registries.yaml
  install -m 600 $staged/token $etc/token
  local file
  for file in admission audit; do
    if [ -s $staged/$file.yaml ]; then install -m 600 $staged/$file.yaml $etc/$file.yaml; else rm -f $etc/$file.yaml; fi
  done
  if [ "$ROLE" = server ]; then
    install -m 600 $staged/agent-token $etc/agent-token
    install_server_files
  fi
  install_images "$release/images.tar.zst" $data/agent/images/homelab.tar.zst
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
  write $data/agent/etc/kubelet.conf.d/05-homelab.conf 600 <<'END' || true
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
nodeStatusReportFrequency: 10s
END
}

# What K3s once deployed goes only with an emptied file: without one it stays in the cluster.
install_server_files() {
  mkdir -p $data/server/manifests $data/server/logs && chmod 700 $data/server $data/server/manifests $data/server/logs
  local manifests=$data/server/manifests/homelab.yaml
  if [ -n "$(cat $staged/manifests.yaml)" ] || [ -e $manifests ]; then install -m 600 $staged/manifests.yaml $manifests; fi
}

install_k3s() {
  cmp -s "$release/k3s" /usr/local/bin/k3s || { cp -f "$release/k3s" /usr/local/bin/.k3s.new && mv -f /usr/local/bin/.k3s.new /usr/local/bin/k3s; }
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
    if [ "$ROLE" = server ] && founds; then lines+=$'cluster-init: true\nserver: ""\n'
    else
      await_entrance
      [ "$entrance" = "$ENDPOINT" ] || lines+="server: https://$entrance"$'\n'
    fi
  fi
  write $first 600 <<<"$lines" || true
}

# The cluster is founded once. A founder who finds one already serving joins it instead.
founds() {
  [ "$FOUND" = yes ] || return 1
  local peer
  for peer in $ENDPOINT $PEERS; do
    if answers "$peer"; then say "a cluster already answers at $peer: joining it"; return 1; fi
  done
  say "founding the cluster"
}

# The API endpoint; or another server, as long as no certificate knows an endpoint that is new.
entered() {
  for entrance in $ENDPOINT $PEERS; do
    curl -fsS --max-time 3 --cacert <(curl -ksS --max-time 3 "https://$entrance/cacerts") "https://$entrance/ping" && return
  done
  return 1
}

await_entrance() {
  say "waiting for the API endpoint $ENDPOINT"
  wait_for 120 entered || die "No K3s server answered at $ENDPOINT within 120 s." "$(reachability)"
}

reachability() { curl -kvsS --max-time 3 "https://$ENDPOINT/ping" 2>&1 | grep -E '^\*.*(connect|refused|route|timed out)' | tail -n 3 || true; }

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
    answers "$peer" || continue
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
  cp -f $staged/certificates $state/certificates
}

# K3s does not start where its passwords are newer than those in etcd, as after another agent token. It makes them anew.
forget_passwords() { if [ "$ROLE" = server ]; then rm -f $data/server/cred/passwd; fi; }

start() {
  local end=$((SECONDS + 420))
  say "starting $service"
  systemctl reset-failed "$service" 2>/dev/null || true
  systemctl enable -q "$service"
  forget_passwords
  say "waiting for $service to serve"
  # returns as soon as K3s says that it is up, or has failed for the first time
  timeout $((end - SECONDS)) systemctl restart "$service" 2>/dev/null || true
  if ! wait_for $((end - SECONDS)) healthy_or_given_up || ! healthy >/dev/null 2>&1; then
    die "$service does not serve on $NODE. Its journal ends:" "$(journal "$service")" "Free space in /var/lib: $(df -h --output=avail /var/lib | tail -n 1 | xargs)"
  fi
}

main() {
  lock
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
  echo "$FIXED" | write $state/fixed 600 || true
  program >$state/program
  echo "$VERSION" >$state/version
  cp -f $state/wanted $state/applied
}
main </dev/null
