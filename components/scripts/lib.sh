# shellcheck shell=bash
# Library in front of every script. Standard error: lines with "==> " are progress, all others explain a failure.
# Standard output: the result of the step; lines with "flag: " decide which steps follow.
set -eEuo pipefail # E: the trap also reports failures within functions
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap 'printf "line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

state=/var/lib/homelab
etc=/etc/rancher/k3s
data=/var/lib/rancher/k3s
originals=$state/original
prepared_files=$state/prepared
kubelet_conf=$data/agent/etc/kubelet.conf.d/05-homelab.conf
# shellcheck disable=SC2034 # scripts use this variable
keepalived_conf=/etc/keepalived/keepalived.conf
# shellcheck disable=SC2034 # scripts use this variable
keepalived_unit=/etc/systemd/system/keepalived.service.d/homelab.conf
# shellcheck disable=SC2034 # scripts use this variable
haproxy_conf=/etc/haproxy/haproxy.cfg

say() { printf '==> %s\n' "$*" >&2; }
die() { trap - ERR; printf '%s\n' "$@" >&2; exit 1; }
# die_api_unavailable TEXT…: exit like `die`, because the API does not answer. The plugin recognizes this exit status.
die_api_unavailable() { trap - ERR; printf '%s\n' "$@" >&2; exit 76; }
raise_flag() { printf 'flag: %s\n' "$1"; }

# export_variable NAME VALUE: pass a variable to the later steps of the task; this step must declare it in `exports`.
export_variable() { printf 'export: %s=%s\n' "$1" "$2"; }

# read_uptime: set `now` to hundredths of a second since boot, which does not jump when the clock is set.
read_uptime() { local _; read -r now _ </proc/uptime && now=$((10#${now/./})); }

# wait_for SECONDS COMMAND…: poll until the command succeeds; fail after a timeout.
wait_for() {
  local now end began pause seconds=$1; shift
  read_uptime; end=$((now + seconds * 100))
  while read_uptime; began=$now; ! "$@" >/dev/null 2>&1; do
    read_uptime
    [ "$now" -lt "$end" ] || return 1
    # polling uses at most a fifth of the time, because a small board needs its processor for the actual work
    pause=$((4 * (now - began)))
    sleep $((pause < 20 ? 20 : pause > 200 ? 200 : pause))e-2
  done
}

# write_atomically FILE MODE: atomically replace the file by standard input and sync it to disk; on failure, keep the
# file and die. Sets `changed` to yes or no. Call it as a separate statement: within a condition, Bash would ignore a
# failed redirection.
write_atomically() {
  local file=$1 mode=$2 new
  if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
  new=$file.homelab-new changed=no
  { mkdir -p "${file%/*}" && rm -f "$new" && (umask 077 && cat >"$new") && chmod "$mode" "$new"; } || not_written "$file"
  if cmp -s "$new" "$file" && [ "$(stat -c %a "$file")" = "$mode" ]; then rm -f "$new"; return; fi
  { sync "$new" && mv -f "$new" "$file" && sync "${file%/*}"; } || not_written "$file"
  # shellcheck disable=SC2034 # callers read it
  changed=yes
}

# not_written FILE: remove the temporary file and die; the file itself is unchanged.
not_written() {
  rm -f "$1.homelab-new"
  die "$1 could not be written and is unchanged. Free space there:" "$(df -h --output=avail,target "${1%/*}" 2>/dev/null | tail -n 1)" \
    "Free some disk space, or remount the file system read-write; then run \`pulumi up\` again."
}

# copy_atomically SOURCE TARGET: atomically replace the target by a synced copy with the same attributes; on failure,
# keep the target and die. If either is a symbolic link, the file that it points to is used.
copy_atomically() {
  local file=$2 new
  if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
  new=$file.homelab-new
  { mkdir -p "${file%/*}" && rm -f "$new" && cp -aL "$1" "$new" && sync "$new" && mv -f "$new" "$file"; } || not_written "$file"
}

# is_managed FILE: succeed if homelab wrote the file, even if the file was edited since.
is_managed() { [ -e "$prepared_files$1" ] || grep -qs '^# homelab' "$1"; }

# stop_managed_service UNIT FILE: stop the service if homelab wrote its configuration FILE, and restore the original
# file.
stop_managed_service() {
  is_managed "$2" || return 0
  say "stopping $1"
  if systemctl cat "$1" >/dev/null 2>&1; then systemctl disable -q --now "$1"; fi # the package may be removed already
  if [ -e "$originals$2" ]; then copy_atomically "$originals$2" "$2"; else rm -f "$2"; fi
  rm -f "$prepared_files$2" # from here on the file does not belong to homelab
  rm -f "$originals$2"
}

# refresh_package_lists LOG: refresh the package lists; fail only while another program, such as apt-daily, has locked
# them.
refresh_package_lists() { apt-get -q -o DPkg::Lock::Timeout=300 update >"$1" 2>&1 || ! grep -q '^E: .*lock' "$1"; }

# update_package_lists LOG: refresh the package lists as soon as no other program has locked them, because apt's lock
# timeout does not apply to them.
update_package_lists() {
  refresh_package_lists "$1" || { say "waiting for the package lists: $(grep -m 1 '^E: .*lock' "$1")"; wait_for 300 refresh_package_lists "$1"; } || true
}

# install_packages PACKAGE…: install the missing packages from the distribution.
install_packages() {
  local missing=() package
  for package; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local log; log=$(mktemp)
  update_package_lists "$log"
  ! grep -q '^E: ' "$log" || { tail -n 5 "$log" >&2; say "the package lists could not be refreshed"; }
  apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    die "apt-get could not install ${missing[*]}; fix the cause on the machine, then run \`pulumi up\` again:" "$(tail -n 15 "$log")"
  rm -f "$log"
}

# why_not_empty DEVICE: print why a disk may not be empty, so that it must not be used; print nothing if it is empty.
why_not_empty() {
  local tree output code=0
  tree=$(lsblk -nro TYPE,NAME "$1" 2>/dev/null) || { echo "does not exist"; return; }
  [ "$(wc -l <<<"$tree")" = 1 ] || { echo "has partitions or is in use: $(tail -n +2 <<<"$tree" | tr '\n' ',')"; return; }
  case ${tree%% *} in disk | part) ;; *) echo "is neither a disk nor a partition: $tree"; return ;; esac
  output=$(wipefs --no-act --noheadings "$1" 2>&1) || { echo "could not be checked: $output"; return; }
  [ -z "$output" ] || { echo "has signatures: ${output//$'\n'/, }"; return; }
  output=$(blkid -p "$1" 2>&1) || code=$?
  [ "$code" = 2 ] || echo "may not be empty: ${output:-blkid failed with status $code}"
}

fetch() { # fetch URL FILE
  say "fetching ${1##*/}"
  local cause only=()
  case $1 in https:*) only=(--proto-redir '=https') ;; esac
  cause=$(curl -fsSL "${only[@]}" --retry 3 --retry-connrefused --connect-timeout 10 --speed-limit 1024 --speed-time 60 -o "$2" "$1" 2>&1) ||
    die "The download of $1 failed: $(tail -n 1 <<<"$cause")" "Free space in $state: $(df -h --output=avail $state | tail -n 1 | xargs)"
}

# sha256_of FILE: print its SHA-256. openssl uses the processor's SHA instructions; coreutils are six times slower.
sha256_of() { openssl dgst -sha256 -r "$1" | cut -d' ' -f1; }

# fetch_verified URL FILE SUM: download a file; it appears under its name only when complete and with that SHA-256.
fetch_verified() {
  if [ -e "$2" ] && [ "$(sha256_of "$2")" = "$3" ]; then return; fi
  fetch "$1" "$2.part"
  local sum; sum=$(sha256_of "$2.part")
  if [ "$sum" != "$3" ]; then
    rm -f "$2.part"
    die "$1 does not have the expected checksum; it was not used." "expected sha256 $3" "found    sha256 $sum"
  fi
  mv -f "$2.part" "$2"
}

# pinned_sum NAME: print the SHA-256 of the file NAME from the stack file; nothing if the stack file does not pin it.
pinned_sum() { awk -v name="$1" '$1 == name {print $2}' <<<"$PINS"; }

# listed_sum FILE NAME: print the SHA-256 of NAME in a list of checksums.
listed_sum() {
  local sum; sum=$(awk -v name="$2" '$2 == name || $2 == "*" name {print $1}' "$1")
  [ -n "$sum" ] || die "The release's checksum list does not contain $2; does the release $VERSION exist?"
  echo "$sum"
}

# lock: wait until no other script changes this machine; a script whose SSH connection was lost may still be running.
# Only root can open the folder of the lock file, so that no other user can hold the lock.
lock() {
  { mkdir -p $state /run/homelab && chmod 700 $state /run/homelab; } || die "$state could not be created." "$(df -h --output=avail,target /var/lib | tail -n 1)"
  exec 9>/run/homelab/lock
  flock -n 9 && return
  say "waiting for an earlier run on this machine to end"
  flock -w 900 9 || die "Another homelab script has been running on this machine for 15 minutes." \
    "Find it with \`fuser -v /run/homelab/lock\`; when it has ended, run \`pulumi up\` again."
}

# prepared_node: print the name of the node that this machine was prepared as; nothing if it was not prepared.
prepared_node() { cat $state/node 2>/dev/null || true; }

# incomplete_commands STAGE: print the commands of `machine.commands` of this stage that did not run on this machine.
incomplete_commands() {
  local record=$state/commands/$1 file name
  [ -d "$record" ] || { echo "the commands of the machine did not run: its disk is new"; return; }
  for file in "$record"/*.delete; do
    name=${file##*/} name=${name%.delete}
    [ ! -e "$file" ] || [ -e "$record/$name.done" ] || echo "machine.commands.$name did not end"
  done
}

# check_node NODE: refuse a machine that is another node, and a machine on which somebody else installed K3s.
check_node() {
  [ "$(id -u)" = 0 ] || die "The script does not run as root: set \`ssh.sudo: true\`, or log in as root."
  case "$(prepared_node)" in
    "$1") ;;
    '') ! has_k3s_data || die "K3s is installed on this machine already, and not by homelab; no changes were made." \
      "Remove K3s, or remove $1 from \`nodes\`." ;;
    *) die "This machine is the node $(prepared_node); it cannot be $1 as well; no changes were made." \
      "To rename the node: remove $(prepared_node) from \`nodes\`, \`pulumi up\`, add $1, \`pulumi up\`." ;;
  esac
}

# Refuse to change a machine of another cluster, even if the state lists it. The plugin recognizes this exit status.
if [ -n "${CLUSTER:-}" ] && [ -s $state/cluster ] && [ "$(cat $state/cluster)" != "$CLUSTER" ]; then
  trap - ERR
  echo "This machine is the node $(prepared_node) of another cluster; no changes were made here." >&2
  echo "To remove that cluster: \`pulumi destroy\` in its own stack. If its state is lost: see docs/operations.md, \"A lost state\"." >&2
  exit 77
fi

# hosts_without_own_name FILE: print the hosts file without its entry for this machine's own name.
hosts_without_own_name() { sed '/^127\.0\.1\.1[[:space:]]/d' "$1"; }

# has_hosts_entry NODE: succeed if /etc/hosts has an entry for this machine's own name, also beside other names.
has_hosts_entry() { grep -qE "^127\.0\.1\.1[[:space:]]([^#]*[[:space:]])?$1([[:space:]#]|\$)" /etc/hosts; }

# hosts_rewritten_for NODE: print the name for which cloud-init rewrites the machine's own entry in /etc/hosts at every
# boot; nothing if cloud-init does not rewrite it, or writes NODE. User data override the files below /etc/cloud.
hosts_rewritten_for() {
  local value name
  [ -d /etc/cloud/ ] && [ ! -e /etc/cloud/cloud-init.disabled ] || return 0
  value=$(cat /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg /var/lib/cloud/instance/cloud-config.txt 2>/dev/null | sed -n 's/^manage_etc_hosts:[[:space:]]*//p' | tail -n 1 | tr -d "\"'" | tr '[:upper:]' '[:lower:]') || true
  case $value in true | yes | on | 1 | template | localhost) ;; *) return 0 ;; esac
  name=$(cut -d. -f1 /var/lib/cloud/data/previous-hostname 2>/dev/null) || true
  [ "$name" = "$1" ] || echo "${name:-another name}"
}

# is_container: succeed if this machine is a container, such as LXC, whose kernel belongs to its host.
is_container() { systemd-detect-virt -cq 2>/dev/null; }

# has_module NAME: succeed if the kernel has the module: loaded, built in, or in a file.
has_module() {
  [ -d "/sys/module/${1//-/_}" ] || modprobe -nq "$1" 2>/dev/null || case $1 in
    br_netfilter) [ -d /proc/sys/net/bridge ] ;;
    overlay | nfs | ceph) grep -qw "$1" /proc/filesystems ;;
    *) return 1 ;;
  esac
}

# kernel_was_updated: succeed if an update has replaced the modules of the running kernel.
kernel_was_updated() { [ ! -d "/lib/modules/$(uname -r)" ] && [ -n "$(compgen -G '/lib/modules/*/modules.dep')" ]; }

# kernel_was_installed: succeed if a kernel was installed since the machine booted.
kernel_was_installed() {
  local booted; booted=$(awk '$1 == "btime" {print $2}' /proc/stat)
  [ -n "$(find /boot/ -maxdepth 1 -type f -name 'vmlinuz-*' -newerct "@$booted" 2>/dev/null)" ]
}

# reboot_reason: print why updates need a reboot; nothing if they need none. Not every distribution's kernel package
# creates /run/reboot-required.
reboot_reason() {
  local upgraded; upgraded=$(sort -u /run/reboot-required.pkgs 2>/dev/null | paste -sd ' ') || true
  if [ -e /run/reboot-required ]; then echo "${upgraded:-/run/reboot-required exists}"
  elif is_container; then return
  elif kernel_was_updated || kernel_was_installed; then echo "a kernel was installed, but $(uname -r) still runs"; fi
}

# module_package: print the package that has more modules for the running kernel; nothing if it is not known.
module_package() {
  local kernel distribution; kernel=$(uname -r)
  distribution=$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null | tr -d '"') || true
  case $distribution/$kernel in
    ubuntu/*-raspi) echo linux-modules-extra-raspi ;;
    ubuntu/*) echo "linux-modules-extra-$kernel" ;;
    debian/*-cloud-*) echo "linux-image-${kernel##*-}" ;;
  esac
}

# architecture: print the userland's architecture as K3s names it; a 32-bit system may run on a 64-bit kernel.
architecture() {
  case "$(uname -m)/$(getconf LONG_BIT)" in
    x86_64/64) echo amd64 ;;
    aarch64/64 | arm64/64) echo arm64 ;;
    aarch64/32 | armv7l/* | armv8l/*) echo arm ;;
    *) die "K3s has no release for $(uname -m) with a $(getconf LONG_BIT)-bit userland: use another machine or operating system." ;;
  esac
}

memory_cgroup() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then grep -qw memory /sys/fs/cgroup/cgroup.controllers
  else [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; fi
}

# command_line: print the path of a Raspberry Pi's file with the kernel command line, which Debian 12 moved.
command_line() {
  local file
  for file in /boot/firmware/cmdline.txt /boot/cmdline.txt ''; do [ ! -f "$file" ] || break; done
  echo "$file"
}

unit() { if [ "${ROLE:-server}" = server ]; then echo k3s; else echo k3s-agent; fi; }

# journal UNIT: print the unit's last log lines; K3s's own errors come first.
journal() {
  local lines; lines=$(journalctl --no-pager -o cat -n 300 -u "$1" 2>/dev/null | cut -c 1-300)
  { grep -E 'level=(error|fatal)|panic' <<<"$lines" | tail -n 8; tail -n 5 <<<"$lines"; } || true
}

kube() { k3s kubectl --request-timeout=15s "$@"; }

# list_objects ARGUMENTS…: print the names of the objects that `kubectl get` finds; none if their CRD was deleted.
list_objects() {
  local output
  output=$(kube get -o name "$@" 2>&1) || {
    grep -qE "doesn't have a resource type|no matches for kind" <<<"$output" && return
    echo "$output"
    return 1
  }
  grep -E '^[a-z0-9.-]+/' <<<"$output" || true
}

# remove_finalizers NAMESPACE NAME: remove the object's finalizers.
remove_finalizers() { kube patch "$2" -n "$1" --type=merge -p '{"metadata": {"finalizers": null}}' 2>&1; }

# network_interface: print the network interface that INTERFACE names, or else the one with ADDRESS.
network_interface() { if [ -n "${INTERFACE:-}" ]; then echo "$INTERFACE"; else ip -o addr show to "$ADDRESS" | awk '{print $2; exit}'; fi; }

# api_ready: succeed if the API server on this machine is ready.
api_ready() {
  curl -fsS --max-time 3 --cacert $data/server/tls/server-ca.crt --cert $data/server/tls/client-admin.crt \
    --key $data/server/tls/client-admin.key https://127.0.0.1:6443/readyz
}

wait_for_api() { wait_for 120 api_ready || die_api_unavailable "The API on $(hostname) does not answer within 120 s." "$(journal k3s)"; }

# cluster_ca: print the certificate of the cluster's CA: the one that a server exported over SSH, or else this server's
# own; nothing if neither is known.
cluster_ca() { if [ -n "${CA:-}" ]; then base64 -d <<<"$CA"; else cat $data/server/tls/server-ca.crt 2>/dev/null || true; fi; }

# own_ca_hash: print the hash of this server's CA, which is a part of K3s's token.
own_ca_hash() { sed -n 's/^K10\([0-9a-f]\{64\}\)::.*/\1/p' $data/server/token 2>/dev/null || true; }

# ca_hash: print the hash of the cluster's CA: the one that a server exported over SSH, or else this server's own.
ca_hash() { if [ -n "${CA_HASH:-}" ]; then echo "$CA_HASH"; else own_ca_hash; fi; }

# cluster_answers HOST:PORT: succeed if a K3s server with a certificate of this cluster's CA answers there.
cluster_answers() { [ "$(curl -fsS --max-time 3 --cacert <(cluster_ca) "https://$1/ping" 2>/dev/null)" = pong ]; }

# any_k3s_answers HOST:PORT: succeed if any K3s server answers there. Its certificate is not verified, so use this only
# to refuse, never to continue.
any_k3s_answers() { [ "$(curl -ksS --max-time 3 "https://$1/ping" 2>/dev/null)" = pong ]; }

# token_secret FILE: print the secret part of the token in the file, without the CA's hash and the user name.
token_secret() { local text; text=$(cat "$1" 2>/dev/null) || true; echo "${text##*:}"; }

# full_token HASH: print the staged token with the CA's hash in front, so that K3s never sends it to a cluster with
# another CA; without a hash, print the plain token.
full_token() {
  local user=node
  if [ "$(cat $state/service 2>/dev/null)" = k3s ]; then user=server; fi
  if [ -n "$1" ]; then echo "K10$1::$user:$(cat $state/staged/token)"; else cat $state/staged/token; fi
}

# program_fingerprint: print inode, size and change time of the K3s program, to detect a replaced file without hashing
# it.
program_fingerprint() { stat -c '%i %s %Z' /usr/local/bin/k3s 2>/dev/null || true; }

# drift: print how K3s on this machine differs from what was last applied, one difference per line.
drift() {
  [ -e $state/applied ] || { echo "K3s was not installed by homelab, or homelab's record of it was deleted"; return; }
  local service file kept now
  service=$(cat $state/service 2>/dev/null || echo k3s)
  now=$(systemctl is-active "$service" || true)
  case $now in active | activating) ;; *) echo "$service is $now" ;; esac
  systemctl -q is-enabled "$service" 2>/dev/null || echo "$service does not start at boot"
  [ "$(program_fingerprint)" = "$(cat $state/program 2>/dev/null)" ] || cmp -s "$state/k3s/$(cat $state/staged/version)/k3s" /usr/local/bin/k3s ||
    echo "/usr/local/bin/k3s was replaced$(/usr/local/bin/k3s --version 2>/dev/null | sed -n '1s/.* version \([^ ]*\).*/ by K3s \1/p')"
  for file in config.yaml registries.yaml agent-token config.yaml.d/secrets.yaml admission.yaml audit.yaml; do
    kept=$state/staged/${file##*/}
    [ "$service/$file" != k3s-agent/agent-token ] && [ -s "$kept" ] || continue
    cmp -s "$kept" "$etc/$file" || echo "$etc/$file was changed"
  done
  [ ! -e $state/staged/kubelet.conf ] || cmp -s $state/staged/kubelet.conf "$kubelet_conf" || echo "$kubelet_conf was changed"
  # labs of older versions of homelab have tokens without the CA's hash
  cmp -s <(full_token "$(cat $state/ca-hash 2>/dev/null)") $etc/token || echo "$etc/token was changed"
}

# interrupted_releases NAMESPACE/RELEASE…: print the Secrets that interrupted Helm runs left, as
# namespace/release:secret:status.
interrupted_releases() {
  local release
  for release; do
    kube get secrets -n "${release%%/*}" -l "owner=helm,name=${release#*/},status in (pending-install,pending-upgrade,pending-rollback,uninstalling)" \
      -o jsonpath="{range .items[*]}$release:{.metadata.name}:{.metadata.labels.status}{'\n'}{end}"
  done
}

# current_bindings: print homelab's RoleBindings and ClusterRoleBindings in the format of RIGHTS. Names of roles and
# users may contain any characters, even line breaks, so they are quoted; only plain names lose their quotes.
current_bindings() {
  # shellcheck disable=SC2016 # a Go template
  kube get clusterrolebindings,rolebindings -A -l homelab/rights -o go-template='{{range .items}}{{or .metadata.namespace "*"}} {{printf "%q" .metadata.name}} {{printf "%q" .roleRef.name}} {{range $at, $each := .subjects}}{{if $at}},{{end}}{{printf "%q" $each.name}}{{end}}{{"\n"}}{{end}}' |
    sed -E 's/"([a-z0-9-]+)"/\1/g' | grep -E '^[^ ]+ homelab-[a-z0-9-]+ ' || true
}

# rights_diff: compare the bindings in the cluster with RIGHTS. It prints the bindings to delete, after >, and then the
# bindings to add, after <.
rights_diff() { diff <(sort <<<"$RIGHTS") <(current_bindings | sort) | grep '^[<>] .' | sort -r || true; }

# capacity_shortage: print why the nodes cannot satisfy requests of CPU (millicores) and MEMORY (MiB); nothing if they
# can.
# shellcheck disable=SC2153 # the task sets CPU and MEMORY
capacity_shortage() {
  kube get nodes -o jsonpath='{range .items[*]}{.status.allocatable.cpu}{" "}{.status.allocatable.memory}{"\n"}{end}' |
    awk -v cpu="$CPU" -v memory="$MEMORY" '
      { cpus += $1 ~ /m$/ ? $1 + 0 : $1 * 1000 }
      { mib += $2 ~ /Ki$/ ? $2 / 1024 : $2 ~ /Mi$/ ? $2 + 0 : $2 ~ /Gi$/ ? $2 * 1024 : $2 / 1048576 }
      END {
        if (memory > mib) printf "the layers request at least %d MiB of memory, but all nodes together have %d MiB\n", memory, mib
        if (cpu > cpus) printf "the layers request at least %.1f CPUs, but all nodes together have %.1f\n", cpu / 1000, cpus / 1000
      }'
}

# immutable_changes: print the changed settings among those that cannot change after a machine became a node.
# shellcheck disable=SC2153 # the task sets FIXED
immutable_changes() {
  local line key fixed
  [ -e $state/fixed ] || return 0
  fixed=$(cat $state/fixed)
  # a node of a cluster without `k3s.ca` has no line for it
  if ! grep -q '^k3s\.ca: ' <<<"$fixed" && grep -q '^k3s\.ca: ' <<<"$FIXED"; then fixed+=$'\nk3s.ca: none'; fi
  while IFS= read -r line; do
    key=${line%%: *}
    grep -qxF -- "$line" <<<"$FIXED" || printf 'was: %s\nnow: %s\n' "$line" "$(grep -F -- "$key: " <<<"$FIXED" || true)"
  done <<<"$fixed"
}

# refuse_immutable_changes: refuse to change settings that K3s cannot change on an existing node, before any other
# change.
refuse_immutable_changes() {
  local changes; changes=$(immutable_changes)
  [ -z "$changes" ] || die "These settings cannot be changed on a node of a cluster; no changes were made:" "$changes" \
    "Change them back. To change the role or address of one node: remove the node from \`nodes\`, \`pulumi up\`, add it again, \`pulumi up\`." \
    "To change a setting that all nodes share: \`pulumi destroy\`, then build the cluster again."
}

# has_k3s_data: succeed if this machine has K3s data of any cluster.
has_k3s_data() { [ -e $data/agent/client-kubelet.crt ] || [ -d $data/server/db/etcd ] || [ -e $data/server/db/state.db ]; }

# is_member UNIT: succeed if this machine has the data of a cluster member: its certificate and, on a server, etcd's
# data.
is_member() { [ -e $data/agent/client-kubelet.crt ] && { [ "$1" = k3s-agent ] || [ -d $data/server/db/etcd/member/wal ]; }; }

# node_fields JSONPATH: print fields of the Node object of NODE.
# shellcheck disable=SC2153 # the task sets NODE
node_fields() { kube get node "$NODE" -o "jsonpath=$1"; }

# node_exists NAME: succeed if the cluster has that node. Dies if the API does not answer.
node_exists() {
  local node
  node=$(kube get node "$1" --ignore-not-found -o name) || die "The API on $(hostname) did not answer whether node $1 exists; run \`pulumi up\` again." "$(journal k3s)"
  [ -n "$node" ]
}

# ready_condition NAME: print True if the node is Ready. Fails if the API does not answer.
ready_condition() { kube get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'; }

# etcd_members: print the servers in etcd, each followed by TrueTrue if it is Ready and a voting member.
etcd_members() {
  kube get nodes -l node-role.kubernetes.io/etcd -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.status.conditions[?(@.type=="Ready")].status}{.status.conditions[?(@.type=="EtcdIsVoter")].status}{"\n"}{end}'
}

# server_versions: print the K3s version of every server, one per line.
server_versions() { kube get nodes -l node-role.kubernetes.io/etcd -o jsonpath='{range .items[*]}{.status.nodeInfo.kubeletVersion}{"\n"}{end}'; }

# newer OLD NEW: succeed if the second version is newer than the first.
newer() { [ "$1" != "$2" ] && printf '%s\n' "$1" "$2" | sed 's/-rc/~rc/' | sort -CV && return; return 1; }

# quorum_loss_without NAME…: print why etcd would lose its quorum without these servers; nothing if it would not.
quorum_loss_without() {
  local server ready others=0 alive=0 not_ready=''
  while read -r server ready; do
    case " $* " in *" $server "*) continue ;; esac
    others=$((others + 1))
    if [ "$ready" = TrueTrue ]; then alive=$((alive + 1)); else not_ready+=" $server"; fi
  done < <(etcd_members)
  [ $((alive * 2)) -gt "$others" ] || echo "only $alive of the $others other servers are Ready (not$not_ready)"
}

# blocking_budgets: print the PodDisruptionBudgets that allow no disruption now, and their pods on NODE.
# shellcheck disable=SC2153 # the task sets NODE
blocking_budgets() {
  local budget_namespace budget selector pods
  # shellcheck disable=SC2016 # a Go template
  kube get poddisruptionbudgets -A -o go-template='{{range .items}}{{if not .status.disruptionsAllowed}}{{.metadata.namespace}} {{.metadata.name}} {{range $key, $value := .spec.selector.matchLabels}}{{$key}}={{$value}},{{end}}{{"\n"}}{{end}}{{end}}' |
    while read -r budget_namespace budget selector; do
      pods=$(kube get pods -n "$budget_namespace" -l "${selector%,}" --field-selector "spec.nodeName=$NODE" -o jsonpath='{.items[*].metadata.name}')
      [ -z "$pods" ] || echo "PodDisruptionBudget $budget in namespace $budget_namespace does not allow the eviction of: $pods"
    done
}

# json_field NAME: print the value of a text or a number in the flat JSON of standard input.
json_field() { sed -nE "s/.*\"$1\": ?\"?([^\",}]*).*/\1/p"; }

# has_expired LOCK: succeed if the lock of kured has a TTL, in nanoseconds, that is over.
has_expired() {
  local created ttl
  created=$(date -d "$(json_field created <<<"$1")" +%s) && ttl=$(json_field TTL <<<"$1") || return
  [ "${ttl:-0}" -gt 0 ] && [ $((created + ttl / 1000000000)) -le "$(date +%s)" ]
}

# take_kured_lock: take the lock of kured (Kubernetes Reboot Daemon) for half an hour, so that kured reboots no node. Fail
# if a node of the cluster holds the lock, and set `holder` to its name. Succeed if the cluster has no kured. Return 2 if
# the API does not answer.
take_kured_lock() {
  local answer lock node value
  answer=$(kube get daemonset kured -n kured --ignore-not-found -o jsonpath='{.metadata.resourceVersion} {.metadata.annotations.weave\.works/kured-node-lock}') || return 2
  [ -n "$answer" ] || return 0
  lock=${answer#* } holder=$(json_field nodeID <<<"${answer#* }")
  if [ -n "$holder" ] && [ "$holder" != "pulumi up" ] && ! has_expired "$lock"; then
    node=$(kube get node "$holder" --ignore-not-found -o name) || return 2
    [ -z "$node" ] || return 1
  fi
  holder=
  value="{\"nodeID\":\"pulumi up\",\"metadata\":{},\"created\":\"$(date -u +%FT%TZ)\",\"TTL\":1800000000000}"
  # with the resource version, the API server refuses the lock if kured has taken it in the meantime
  kube annotate daemonset kured -n kured --overwrite --resource-version="${answer%% *}" "weave.works/kured-node-lock=$value" >/dev/null
}

# pause_kured OUTCOME: take the lock of kured; wait while kured drains and reboots a node. If that node does not return,
# the message states that NODE was not OUTCOME.
pause_kured() {
  local holder='' status=0
  take_kured_lock || status=$?
  [ "$status" != 0 ] || return 0
  if [ "$status" = 2 ]; then
    wait_for 60 api_ready || die "The API on $(hostname) did not answer, so $NODE was not $1; run \`pulumi up\` again." "$(journal k3s)"
  else say "waiting for the lock of kured${holder:+, which reboots $holder}"; fi
  wait_for 900 take_kured_lock || die "$NODE was not $1, because the lock of kured was not free within 900 s${holder:+: kured reboots $holder}." \
    "If kured failed to reboot it, release the lock: kubectl annotate daemonset kured -n kured weave.works/kured-node-lock-" \
    "Then run \`pulumi up\` again."
}

# drain OUTCOME: cordon NODE and evict its pods; if that fails, the message states that NODE was not OUTCOME.
# shellcheck disable=SC2153 # the task sets NODE
drain() {
  local report; report=$(mktemp)
  say "draining $NODE"
  if ! k3s kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout="${DRAIN_SECONDS}s" >"$report" 2>&1; then
    die "$NODE could not be drained within $DRAIN_SECONDS s; it was not $1 and stays cordoned." "$(blocking_budgets)" "$(tail -n 5 "$report")" \
      "Run more replicas of these pods on other nodes, or change the PodDisruptionBudget; then run \`pulumi up\` again."
  fi
  rm -f "$report"
}

# volume_locations: print nodes, their labels, and the volumes and Longhorn replicas bound to them, one per line. Fails
# if the API does not answer. Local volumes have a node affinity; Longhorn's replicas are objects of its own kind.
# shellcheck disable=SC2016 # Go templates
volume_locations() {
  kube get nodes -o go-template='{{range .items}}{{$name := .metadata.name}}node {{$name}} {{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}
label {{$name}} metadata.name {{$name}}
{{range $key, $value := .metadata.labels}}label {{$name}} {{$key}} {{$value}}
{{end}}{{end}}' || return
  kube get persistentvolumes -o go-template='{{range .items}}volume {{.metadata.name}} {{with .spec.claimRef}}{{.namespace}}/{{.name}}{{else}}none{{end}}
{{with .spec.nodeAffinity}}{{with .required}}{{range .nodeSelectorTerms}}term
{{range .matchExpressions}}match {{.key}} {{.operator}} {{range .values}}{{.}},{{end}}
{{end}}{{range .matchFields}}match {{.key}} {{.operator}} {{range .values}}{{.}},{{end}}
{{end}}{{end}}{{end}}{{end}}{{end}}' || return
  local longhorn; longhorn=$(kube get crd replicas.longhorn.io --ignore-not-found -o name) || return
  [ -z "$longhorn" ] || kube get replicas.longhorn.io -A -o go-template='{{range .items}}{{if .spec.healthyAt}}replica {{.spec.volumeName}} {{.spec.nodeID}} {{if .spec.failedAt}}failed{{else}}healthy{{end}}
{{end}}{{end}}'
}

# volumes_only_on NODE [GOING…]: print the volumes on NODE that are on no other node which is Ready and not in GOING.
# If a node lacks the label of a node affinity, or has no Node object, the script uses the node's name as the label's
# value. In awk, the operator `in` does not create the entry. A failed replica still has data: if all replicas failed,
# Longhorn can salvage the volume from them.
volumes_only_on() {
  local known; known=$(volume_locations) || return
  awk -v node="$1" -v going=" $* " '
    function has(name, values) { return name != "" && index("," values, "," name ",") }
    function of(name, key) { if ((name, key) in label) return label[name, key]; return name }
    function fits(name, key, operator, values) {
      if (operator == "In") return has(of(name, key), values)
      if (operator == "NotIn") return !has(of(name, key), values)
      if (operator == "Exists") return (name, key) in label
      if (operator == "DoesNotExist") return !((name, key) in label)
      return 1
    }
    function end_term(name) { if (term) for (name in fit) if (fit[name]) holders[name]; term = 0 }
    function stays(name) { return name in ready && ready[name] == "True" && !index(going, " " name " ") }
    function end_volume(name, other) {
      end_term()
      if (node in holders) { for (name in holders) if (stays(name)) other = 1; if (!other) print "volume " volume " of claim " claim }
      split("", holders)
    }
    $1 == "node" { ready[$2] = $3 }
    $1 == "label" { label[$2, $3] = $4 }
    $1 == "volume" { end_volume(); volume = $2; claim = $3 }
    $1 == "term" { end_term(); term = 1; split("", fit); fit[node] = 1; for (name in ready) fit[name] = 1 }
    $1 == "match" { for (name in fit) if (!fits(name, $2, $3, $4)) fit[name] = 0 }
    $1 == "replica" { if ($3 == node) { if (!($2 in here) || $4 == "healthy") here[$2] = $4 } else if ($4 == "healthy" && stays($3)) elsewhere[$2] }
    END { end_volume(); for (each in here) if (!(each in elsewhere)) print "Longhorn volume " each ", of which " (here[each] == "healthy" ? node " has the last healthy replica" : "no replica is healthy, and " node " has one") }
  ' <<<"$known" | sort
}

# check_volumes NODE [GOING…]: refuse to lose volumes that only NODE has, unless `cluster.discard` names the node.
check_volumes() {
  local lost
  case " ${FLAGS:-} " in *" discard-node-$1 "*) return ;; esac
  lost=$(volumes_only_on "$@") || die "The API on $(hostname) did not answer which volumes are on $1; $1 was not removed." "Run \`pulumi up\` again."
  [ -z "$lost" ] || die "$1 has volumes that are on no other node ($(wc -l <<<"$lost")); it was not removed:" "$(head -n 10 <<<"$lost")" \
    "Move or back up their data and delete them, or allow the loss: \`homelab:cluster.discard: [$1]\`, then \`pulumi up\`."
}

# delete_node NAME: delete the Node, and with it its etcd member and its password, so that its name can be used again.
# Password and record are deleted first, because no later run would find them without the Node.
delete_node() {
  kube delete -n kube-system "secret/$1.node-password.k3s" "configmap/homelab-node-$1" --ignore-not-found >/dev/null
  k3s kubectl delete node "$1" --timeout=180s >/dev/null || die "Node $1 could not be deleted within 180 s." "$(kube get node "$1" 2>&1)"
}

# lost_servers: print the servers that are not Ready and no longer in the stack file, which lists SERVERS.
lost_servers() {
  etcd_members | while read -r server ready; do
    case "$ready $SERVERS " in TrueTrue* | *" $server "*) ;; *) echo "$server" ;; esac
  done
}

# remove_lost_servers: remove the lost servers from the cluster.
remove_lost_servers() {
  local server reason
  while read -r server; do
    reason=$(quorum_loss_without "$server")
    [ -z "$reason" ] || die "$server is lost and no longer in \`nodes\`, but cannot be removed from etcd: $reason." "Make the other servers Ready first: kubectl get nodes"
    say "removing $server from the cluster: it is not Ready and no longer in \`nodes\`"
    delete_node "$server"
  done < <(lost_servers)
}

# kubeconfigs_mark: print a hash of the certificate requests and CAs that the stack's kubeconfigs were signed with.
# shellcheck disable=SC2153 # the task sets REQUESTS
kubeconfigs_mark() { cat - $data/server/tls/client-ca.crt $data/server/tls/server-ca.crt <<<"$REQUESTS" | sha256sum | cut -c 1-16; }
