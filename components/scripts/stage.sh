# shellcheck shell=bash
# Fetches and verifies K3s and puts its new configuration beside the one in use; what runs is not touched.
# ROLE ADDRESS INTERFACE CNI VERSION RELEASES INSTALLER PINS IMAGES CONFIG FIXED MANIFESTS ADMISSION AUDIT CERTIFICATES CA_HASH; secret: TOKEN AGENT_TOKEN SECRET_CONFIG REGISTRIES

staged=$state/staged
release=$state/k3s/$VERSION

# sums NAME URL FILE: a list of checksums, itself pinned or fetched over TLS.
sums() {
  local pinned; pinned=$(pin "$1")
  if [ -n "$pinned" ]; then fetch_verified "$2" "$3" "$pinned"; else fetch "$2" "$3"; fi
}

# What was verified before is not fetched again: a node can be changed while the network is away.
held() {
  local sum name
  [ "$(head -n 1 "$release/held" 2>/dev/null)" = "# $source" ] || return 1
  while read -r sum name; do [ "$(sum_of "$release/$name" 2>/dev/null)" = "$sum" ] || return 1; done < <(tail -n +2 "$release/held")
}

# verified URL NAME SUM: fetched, and noted as held.
verified() { fetch_verified "$1" "$release/$2" "$3"; noted+=("$3  $2"); }

fetch_release() {
  local arch binary=k3s source sum noted=()
  arch=$(architecture)
  source="$RELEASES $INSTALLER $IMAGES ${PINS//$'\n'/ }"
  if held; then return; fi
  case $arch in arm64) binary=k3s-arm64 ;; arm) binary=k3s-armhf ;; esac
  mkdir -p "$release"
  sums "$arch" "$RELEASES/sha256sum-$arch.txt" "$release/sums"
  noted+=("$(sum_of "$release/sums")  sums")
  sum=$(listed "$release/sums" $binary)
  verified "$RELEASES/$binary" k3s "$sum"
  chmod 755 "$release/k3s"
  fetch_installer
  if [ -n "$IMAGES" ]; then
    sum=$(listed "$release/sums" "$IMAGES-$arch.tar.zst")
    verified "$RELEASES/$IMAGES-$arch.tar.zst" images.tar.zst "$sum"
  fi
  write "$release/held" 600 < <(printf '%s\n' "# $source" "${noted[@]}")
  find $state/k3s -mindepth 1 -maxdepth 1 ! -name "$VERSION" -exec rm -rf {} +
}

fetch_installer() {
  local sum; sum=$(pin installer)
  if [ -z "$sum" ]; then
    fetch "$INSTALLER.sha256sum" "$release/install.sum"
    sum=$(listed "$release/install.sum" install.sh)
  fi
  verified "$INSTALLER" install.sh "$sum"
}

# The version that was put in use here last; nothing on a machine that is no member yet.
running() {
  joined "$(unit)" || return 0
  cat $state/version 2>/dev/null || k3s --version | awk 'NR == 1 {print $3}'
}

minor() { cut -d. -f2 <<<"$1"; }

etcd() {
  curl -fsS --max-time 3 --cacert $data/server/tls/etcd/server-ca.crt --cert $data/server/tls/etcd/client.crt \
    --key $data/server/tls/etcd/client.key https://127.0.0.1:2379/version | sed -n 's/.*"etcdserver":"\([0-9.]*\).*/\1/p'
}

# K3s does not go back, and its servers leave out no minor version; etcd 3.6 takes over only from 3.5.26 or newer.
check_version() {
  local now=$1 from to held
  [ -n "$now" ] && [ "$now" != "$VERSION" ] || return 0
  newer "$now" "$VERSION" || die "K3s does not go back, from $now to $VERSION; nothing was touched." \
    "Set \`k3s.version\` to $now or newer. What was before comes back only with a snapshot from before."
  [ "$ROLE" = server ] || return 0
  from=$(minor "$now") to=$(minor "$VERSION")
  [ "$to" -le $((from + 1)) ] || die "K3s goes up one minor version at a time; nothing was touched." \
    "From $now go to the newest v1.$((from + 1)) first, \`pulumi up\`, and so on until $VERSION."
  [ "$from" -lt 34 ] && [ "$to" -ge 34 ] || return 0
  held=$(etcd) || die "etcd on this server does not say its version, which must be 3.5.26 or newer before $VERSION." "$(journal k3s)"
  [ "$held" = 3.5.26 ] || newer 3.5.26 "$held" ||
    die "etcd here is $held, and may lose members on the way to $VERSION; nothing was touched." \
      "Go to the newest v1.33 first, which has etcd 3.5.26 or newer, \`pulumi up\`, then to $VERSION."
}

stage_configuration() {
  mkdir -p $staged && chmod 700 $staged
  local text=$CONFIG
  # left to itself, flannel takes the interface of the default route, and stops where there is none
  if [ "$CNI" = flannel ]; then text+="flannel-iface: $(device)"$'\n'; fi
  # kubelets of today refuse cgroup v1 unless told otherwise; older Raspberry Pi systems have nothing else
  if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then text+=$'kubelet-arg+:\n- fail-cgroupv1=false\n'; fi
  write $staged/config.yaml 600 < <(printf '%s' "$text")
  write $staged/token 600 <<<"$TOKEN"
  write $staged/agent-token 600 <<<"$AGENT_TOKEN"
  write $staged/secrets.yaml 600 <<<"$SECRET_CONFIG"
  write $staged/registries.yaml 600 <<<"$REGISTRIES"
  write $staged/manifests.yaml 600 <<<"$MANIFESTS"
  write $staged/admission.yaml 600 < <(printf '%s' "$ADMISSION")
  write $staged/audit.yaml 600 < <(printf '%s' "$AUDIT")
  write $staged/version 600 <<<"$VERSION"
  write $staged/certificates 600 <<<"$CERTIFICATES"
}

# K3s reads its token when it starts: naming the CA in it needs no restart.
name_ca() {
  local hash; hash=$(ca_hash)
  [ -n "$hash" ] || return 0
  write $state/ca-hash 600 <<<"$hash"
  if [ "$(secret_of $etc/token)" = "$TOKEN" ] && [ "$(cat $staged/token 2>/dev/null)" = "$TOKEN" ]; then write $etc/token 600 < <(full_token "$hash"); fi
}

main() {
  local now
  lock
  check_fixed
  now=$(running)
  check_version "$now"
  fetch_release
  write $state/service 600 < <(unit)
  name_ca
  [ -z "$(drift)" ] || flag changed
  stage_configuration
  write $state/wanted 600 < <(cat $staged/* "$release/sums" | sha256sum)
  cmp -s $state/wanted $state/applied || flag changed
  [ -z "$now" ] || [ "$now" = "$VERSION" ] || flag upgrade
  joined "$(unit)" || flag empty
  if systemctl -q is-active "$(unit)"; then flag member; fi
}
main </dev/null
