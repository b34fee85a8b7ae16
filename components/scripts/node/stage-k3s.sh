# shellcheck shell=bash
# Download and verify K3s, and write its new configuration next to the current one; nothing that runs is changed.
# ROLE ADDRESS INTERFACE CNI VERSION RELEASES INSTALLER PINS IMAGES CONFIG FIXED MANIFESTS OWN_MANIFESTS ADMISSION AUDIT CERTIFICATES CA_HASH; secret: TOKEN AGENT_TOKEN SECRET_CONFIG REGISTRIES

staged=$state/staged
release=$state/k3s/$VERSION

# sums NAME URL FILE: download a list of checksums, which is pinned or protected by TLS.
sums() {
  local pinned; pinned=$(pinned_sum "$1")
  if [ -n "$pinned" ]; then fetch_verified "$2" "$3" "$pinned"; else fetch "$2" "$3"; fi
}

# held: succeed if all files of the release are on this machine and verified, so that no download is needed.
held() {
  local sum name
  [ "$(head -n 1 "$release/held" 2>/dev/null)" = "# $source" ] || return 1
  while read -r sum name; do [ "$(sha256_of "$release/$name" 2>/dev/null)" = "$sum" ] || return 1; done < <(tail -n +2 "$release/held")
}

# verified URL NAME SUM: download and verify a file, and record it for `held`.
verified() { fetch_verified "$1" "$release/$2" "$3"; noted+=("$3  $2"); }

fetch_release() {
  local arch binary=k3s source sum noted=()
  arch=$(architecture)
  source="$RELEASES $INSTALLER $IMAGES ${PINS//$'\n'/ }"
  if held; then return; fi
  case $arch in arm64) binary=k3s-arm64 ;; arm) binary=k3s-armhf ;; esac
  mkdir -p "$release"
  sums "$arch" "$RELEASES/sha256sum-$arch.txt" "$release/sums"
  noted+=("$(sha256_of "$release/sums")  sums")
  sum=$(listed_sum "$release/sums" $binary)
  verified "$RELEASES/$binary" k3s "$sum"
  chmod 755 "$release/k3s"
  fetch_installer
  if [ -n "$IMAGES" ]; then
    sum=$(listed_sum "$release/sums" "$IMAGES-$arch.tar.zst")
    verified "$RELEASES/$IMAGES-$arch.tar.zst" images.tar.zst "$sum"
  fi
  write_atomically "$release/held" 600 < <(printf '%s\n' "# $source" "${noted[@]}")
  # the release that was applied last stays, too, so that it needs no download if somebody has to return to it
  find $state/k3s -mindepth 1 -maxdepth 1 ! -name "$VERSION" ! -name "$(cat $state/version 2>/dev/null || echo none)" -exec rm -rf {} +
}

fetch_installer() {
  local sum; sum=$(pinned_sum installer)
  if [ -z "$sum" ]; then
    fetch "$INSTALLER.sha256sum" "$release/install.sum"
    sum=$(listed_sum "$release/install.sum" install.sh)
  fi
  verified "$INSTALLER" install.sh "$sum"
}

# running: print the version of K3s that was applied last; nothing on a machine that is not a member yet.
running() {
  is_member "$(unit)" || return 0
  cat $state/version 2>/dev/null || k3s --version | awk 'NR == 1 {print $3}'
}

minor() { cut -d. -f2 <<<"$1"; }

# etcd: print the version of etcd on this server.
etcd() {
  curl -fsS --max-time 3 --cacert $data/server/tls/etcd/server-ca.crt --cert $data/server/tls/etcd/client.crt \
    --key $data/server/tls/etcd/client.key https://127.0.0.1:2379/version | sed -n 's/.*"etcdserver":"\([0-9.]*\).*/\1/p'
}

# check_version CURRENT: refuse downgrades and, on servers, skipped minor versions. An upgrade to etcd 3.6 is possible only
# from etcd 3.5.26 or newer.
check_version() {
  local now=$1 from to etcd_version
  [ -n "$now" ] && [ "$now" != "$VERSION" ] || return 0
  newer "$now" "$VERSION" || die "K3s cannot be downgraded, from $now to $VERSION; no changes were made." \
    "Set \`k3s.version\` to $now or newer. To return to an older version, restore a snapshot from that time."
  [ "$ROLE" = server ] || return 0
  from=$(minor "$now") to=$(minor "$VERSION")
  [ "$to" -le $((from + 1)) ] || die "K3s can be upgraded by only one minor version at a time; no changes were made." \
    "Upgrade from $now to the newest v1.$((from + 1)) first, \`pulumi up\`, and continue like this to $VERSION."
  [ "$from" -lt 34 ] && [ "$to" -ge 34 ] || return 0
  etcd_version=$(etcd) || die "etcd on this server did not report its version, which must be 3.5.26 or newer before an upgrade to $VERSION." "$(journal k3s)"
  [ "$etcd_version" = 3.5.26 ] || newer 3.5.26 "$etcd_version" ||
    die "etcd on this server is $etcd_version, and may lose members in an upgrade to $VERSION; no changes were made." \
      "Upgrade to the newest v1.33 first, which has etcd 3.5.26 or newer, \`pulumi up\`, then to $VERSION."
}

stage_configuration() {
  mkdir -p $staged && chmod 700 $staged
  local text=$CONFIG
  # by default flannel uses the interface of the default route, and fails without one
  if [ "$CNI" = flannel ]; then text+="flannel-iface: $(network_interface)"$'\n'; fi
  # by default the kubelet refuses cgroup v1, but older Raspberry Pi systems have no other
  if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then text+=$'kubelet-arg+:\n- fail-cgroupv1=false\n'; fi
  write_atomically $staged/config.yaml 600 < <(printf '%s' "$text")
  write_atomically $staged/token 600 <<<"$TOKEN"
  write_atomically $staged/agent-token 600 <<<"$AGENT_TOKEN"
  write_atomically $staged/secrets.yaml 600 <<<"$SECRET_CONFIG"
  write_atomically $staged/registries.yaml 600 <<<"$REGISTRIES"
  write_atomically $staged/manifests.yaml 600 <<<"$MANIFESTS"
  # without manifests there is no file, so that nodes of older versions of homelab are not restarted
  if [ -n "${OWN_MANIFESTS:-}" ] || [ -e $staged/own-manifests.yaml ]; then
    write_atomically $staged/own-manifests.yaml 600 <<<"${OWN_MANIFESTS:-}"
  fi
  write_atomically $staged/admission.yaml 600 < <(printf '%s' "$ADMISSION")
  write_atomically $staged/audit.yaml 600 < <(printf '%s' "$AUDIT")
  write_atomically $staged/version 600 <<<"$VERSION"
  write_atomically $staged/certificates 600 <<<"$CERTIFICATES"
  stage_kubelet
}

# K3s enforces NetworkPolicies, and starts an agent, only after the kubelet's first status report since the pod network
# came up. By default the kubelet reports every 5 minutes, and pods are killed without notice when a machine shuts down.
stage_kubelet() {
  write_atomically $staged/kubelet.conf 600 <<'END'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
nodeStatusReportFrequency: 10s
shutdownGracePeriod: 60s
shutdownGracePeriodCriticalPods: 15s
END
}

# name_ca: add the CA's hash to the token in use, without a restart, because K3s reads the token only when it starts.
name_ca() {
  local hash; hash=$(ca_hash)
  [ -n "$hash" ] || return 0
  write_atomically $state/ca-hash 600 <<<"$hash"
  if [ "$(token_secret $etc/token)" = "$TOKEN" ] && [ "$(cat $staged/token 2>/dev/null)" = "$TOKEN" ]; then write_atomically $etc/token 600 < <(full_token "$hash"); fi
}

main() {
  local now
  lock
  refuse_immutable_changes
  now=$(running)
  check_version "$now"
  fetch_release
  write_atomically $state/service 600 < <(unit)
  name_ca
  [ -z "$(drift)" ] || raise_flag changed
  stage_configuration
  write_atomically $state/wanted 600 < <(cat $staged/* "$release/sums" | sha256sum)
  cmp -s $state/wanted $state/applied || raise_flag changed
  [ -z "$now" ] || [ "$now" = "$VERSION" ] || raise_flag upgrade
  is_member "$(unit)" || raise_flag empty
  if systemctl -q is-active "$(unit)"; then raise_flag member; fi
}
main </dev/null
