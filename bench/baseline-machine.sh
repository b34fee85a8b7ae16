# shellcheck shell=bash
# The baseline's commands for one machine; they check nothing, and nothing reverts them.
# NAME ROLE ADDRESS FIRST SERVERS COUNT MIRROR VIP TOKEN
set -euo pipefail

images=/var/lib/rancher/k3s/agent/images

fetch_all() {
  local arch binary jobs=() job
  case $(uname -m) in x86_64) arch=amd64 binary=k3s ;; *) arch=arm64 binary=k3s-arm64 ;; esac
  mkdir -p $images
  curl -fsS -o /usr/local/bin/k3s "$MIRROR/$binary" & jobs+=($!)
  curl -fsS -o $images/k3s.tar.zst "$MIRROR/k3s-airgap-images-$arch.tar.zst" & jobs+=($!)
  curl -fsS -o /root/install.sh "$MIRROR/install.sh" & jobs+=($!)
  for job in "${jobs[@]}"; do wait "$job"; done
  chmod 755 /usr/local/bin/k3s
}

device() { ip -o addr show to "$ADDRESS" | awk '{print $2; exit}'; }

configure() {
  mkdir -p /etc/rancher/k3s
  {
    printf '%s: %s\n' node-name "$NAME" node-ip "$ADDRESS" token "$TOKEN" flannel-iface "$(device)"
    # by default, current versions of the kubelet refuse to start with cgroup v1
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then printf 'kubelet-arg: [fail-cgroupv1=false]\n'; fi
    if [ "$ADDRESS" = "$FIRST" ]; then echo 'cluster-init: true'; else echo "server: https://$FIRST:6443"; fi
    if [ "$ROLE" = server ]; then
      printf 'tls-san: [%s]\ndisable: [traefik, servicelb]\nsecrets-encryption: true\n' "$VIP"
    fi
  } >/etc/rancher/k3s/config.yaml
}

keep_address() {
  local peers=${SERVERS//$ADDRESS/}
  cat >/etc/keepalived/keepalived.conf <<EOF
vrrp_instance api {
  state BACKUP
  interface $(device)
  virtual_router_id 50
  priority 100
  advert_int 1
  unicast_peer {
${peers// /$'\n'}
  }
  virtual_ipaddress {
    $VIP/24
  }
}
EOF
  systemctl start --no-block keepalived
}

await_first() { until [ "$(curl -ks --max-time 2 "https://$FIRST:6443/ping")" = pong ]; do sleep 0.5; done; }

whole() {
  local conditions voters
  conditions=$(k3s kubectl get nodes -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{.status.conditions[?(@.type=="EtcdIsVoter")].status}{"\n"}{end}')
  voters=$(wc -w <<<"$SERVERS")
  [ "$(grep -c ^True <<<"$conditions")" = "$COUNT" ] && [ "$(grep -cx TrueTrue <<<"$conditions")" = "$voters" ]
}

hostname "$NAME"
fetch_all
configure
if [ "$ROLE" = server ]; then keep_address; fi
[ "$ADDRESS" = "$FIRST" ] || await_first
INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_EXEC=$ROLE sh /root/install.sh >/dev/null
# --no-block: if an agent's kubelet sent its first status report before the pod network was up, the agent reports its
# start to systemd only minutes after the node is Ready
case $ROLE in server) systemctl start --no-block k3s ;; *) systemctl start --no-block k3s-agent ;; esac
if [ "$ADDRESS" = "$FIRST" ]; then
  until whole; do
    [ $SECONDS -lt 900 ] || { k3s kubectl get nodes >&2; exit 1; }
    sleep 1
  done
fi
