# shellcheck shell=bash
# Goes before every script. Standard error: "==> " lines are progress, the rest explains a failure.
# Standard output: what the task keeps; "flag: " lines decide which steps follow.
set -eEuo pipefail # E: a failure in a function is told as well
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap 'printf "line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

state=/var/lib/homelab
etc=/etc/rancher/k3s
data=/var/lib/rancher/k3s
original=$state/original
prepared=$state/prepared
# shellcheck disable=SC2034 # scripts use it
keepalived_conf=/etc/keepalived/keepalived.conf
# shellcheck disable=SC2034 # scripts use it
haproxy_conf=/etc/haproxy/haproxy.cfg

say() { printf '==> %s\n' "$*" >&2; }
die() { trap - ERR; printf '%s\n' "$@" >&2; exit 1; }
# api_away TEXT…: as `die`, where the API does not answer. The plugin knows this exit status.
api_away() { trap - ERR; printf '%s\n' "$@" >&2; exit 76; }
flag() { printf 'flag: %s\n' "$1"; }

# export_variable NAME VALUE: later steps of the task get it, if this step declares it.
export_variable() { printf 'export: %s=%s\n' "$1" "$2"; }

# tick: sets `now` to hundredths of a second since boot, which setting the clock does not change.
tick() { local _; read -r now _ </proc/uptime && now=$((10#${now/./})); }

# wait_for SECONDS COMMAND…: poll until the command succeeds; fails when the time is over.
wait_for() {
  local now end began pause seconds=$1; shift
  tick; end=$((now + seconds * 100))
  while tick; began=$now; ! "$@" >/dev/null 2>&1; do
    tick
    [ "$now" -lt "$end" ] || return 1
    # asking takes a fifth of the time at most: what is waited for needs the processor more
    pause=$((4 * (now - began)))
    sleep $((pause < 20 ? 20 : pause > 200 ? 200 : pause))e-2
  done
}

# write FILE MODE: replace the file by standard input, whole and on the disk, or leave it and die.
# Sets `changed` to yes or no. Call it as a statement of its own: where Bash tests a command, a failed redirection passes
# for an answer.
write() {
  local file=$1 mode=$2 new
  if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
  new=$file.homelab-new changed=no
  { mkdir -p "${file%/*}" && rm -f "$new" && (umask 077 && cat >"$new") && chmod "$mode" "$new"; } || not_written "$file"
  if cmp -s "$new" "$file" && [ "$(stat -c %a "$file")" = "$mode" ]; then rm -f "$new"; return; fi
  { sync "$new" && mv -f "$new" "$file" && sync "${file%/*}"; } || not_written "$file"
  # shellcheck disable=SC2034 # callers read it
  changed=yes
}

# not_written FILE: removes what was begun; the file is as it was.
not_written() {
  rm -f "$1.homelab-new"
  die "$1 could not be written and is as it was. Free space there:" "$(df -h --output=avail,target "${1%/*}" 2>/dev/null | tail -n 1)" \
    "Make room, or have it mounted for writing; then run \`pulumi up\` again."
}

# copy SOURCE TARGET: replace the target by a copy, attributes included, whole and on the disk, or leave it and die.
# Links are followed, so that what they lead to is kept and changed.
copy() {
  local file=$2 new
  if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
  new=$file.homelab-new
  { mkdir -p "${file%/*}" && rm -f "$new" && cp -aL "$1" "$new" && sync "$new" && mv -f "$new" "$file"; } || not_written "$file"
}

# ours FILE: it is as we wrote it, or what was made of that.
ours() { [ -e "$prepared$1" ] || grep -qs '^# homelab' "$1"; }

# end_service UNIT FILE: stops what runs by our file, and puts back the one that was there before.
end_service() {
  ours "$2" || return 0
  say "stopping $1"
  if systemctl cat "$1" >/dev/null 2>&1; then systemctl disable -q --now "$1"; fi # its package may be gone
  if [ -e "$original$2" ]; then copy "$original$2" "$2"; else rm -f "$2"; fi
  rm -f "$prepared$2" # from here on it is not ours
  rm -f "$original$2"
}

# refreshed LOG: the package lists were read anew, or cannot be; fails while another program, such as apt-daily, holds them.
refreshed() { apt-get -q -o DPkg::Lock::Timeout=300 update >"$1" 2>&1 || ! grep -q '^E: .*lock' "$1"; }

# install_packages PACKAGE…: of the distribution, those that are not there.
install_packages() {
  local missing=() package
  for package; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local log; log=$(mktemp)
  # the timeout of the lock is for packages, not for their lists
  refreshed "$log" || { say "waiting for the package lists: $(grep -m 1 '^E: .*lock' "$log")"; wait_for 300 refreshed "$log"; } || true
  ! grep -q '^E: ' "$log" || { tail -n 5 "$log" >&2; say "the package lists could not be refreshed"; }
  apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    die "apt-get could not install ${missing[*]}:" "$(tail -n 15 "$log")"
  rm -f "$log"
}

# holds DEVICE: what keeps a disk from being taken; nothing if there is nothing on it.
holds() {
  local tree said code=0
  tree=$(lsblk -nro TYPE,NAME "$1" 2>/dev/null) || { echo "is not here"; return; }
  [ "$(wc -l <<<"$tree")" = 1 ] || { echo "has partitions, or is used: $(tail -n +2 <<<"$tree" | tr '\n' ',')"; return; }
  case ${tree%% *} in disk | part) ;; *) echo "is no disk and no partition, but: $tree"; return ;; esac
  said=$(wipefs --no-act --noheadings "$1" 2>&1) || { echo "could not be looked at: $said"; return; }
  [ -z "$said" ] || { echo "has signatures: ${said//$'\n'/, }"; return; }
  said=$(blkid -p "$1" 2>&1) || code=$?
  [ "$code" = 2 ] || echo "is not known to be empty: ${said:-blkid ended with $code}"
}

fetch() { # fetch URL FILE
  say "fetching ${1##*/}"
  local cause only=()
  case $1 in https:*) only=(--proto-redir '=https') ;; esac
  cause=$(curl -fsSL "${only[@]}" --retry 3 --retry-connrefused --connect-timeout 10 --speed-limit 1024 --speed-time 60 -o "$2" "$1" 2>&1) ||
    die "Fetching $1 failed: $(tail -n 1 <<<"$cause")" "Free space in $state: $(df -h --output=avail $state | tail -n 1 | xargs)"
}

# sum_of FILE: openssl uses what processors have for it; coreutils take six times as long.
sum_of() { openssl dgst -sha256 -r "$1" | cut -d' ' -f1; }

# fetch_verified URL FILE SUM: the file is only ever there whole and with that sum.
fetch_verified() {
  if [ -e "$2" ] && [ "$(sum_of "$2")" = "$3" ]; then return; fi
  fetch "$1" "$2.part"
  local sum; sum=$(sum_of "$2.part")
  if [ "$sum" != "$3" ]; then
    rm -f "$2.part"
    die "$1 is not what it should be; it was not run." "expected sha256 $3" "found    sha256 $sum"
  fi
  mv -f "$2.part" "$2"
}

# pin NAME: the sum that the settings pin for it.
pin() { awk -v name="$1" '$1 == name {print $2}' <<<"$PINS"; }

listed() { # listed FILE NAME: the sum that the list gives
  local sum; sum=$(awk -v name="$2" '$2 == name || $2 == "*" name {print $1}' "$1")
  [ -n "$sum" ] || die "The release's checksum list does not name $2; is $VERSION a release?"
  echo "$sum"
}

# Scripts that change a machine take turns on it: one that lost its connection may still be running.
# The lock is in a folder of root's: whoever may open it may hold it.
lock() {
  { mkdir -p $state /run/homelab && chmod 700 $state /run/homelab; } || die "$state could not be made." "$(df -h --output=avail,target /var/lib | tail -n 1)"
  exec 9>/run/homelab/lock
  flock -n 9 && return
  say "waiting for an earlier run on this machine to end"
  flock -w 900 9 || die "Another homelab script has been running here for 15 minutes." "See: fuser -v /run/homelab/lock"
}

# Whose machine this is: the name of the node it was prepared as; nothing if it was not.
owner() { cat $state/node 2>/dev/null || true; }

# A machine of another cluster is left alone, whatever an old state says of it. The plugin knows this exit status.
if [ -n "${CLUSTER:-}" ] && [ -s $state/cluster ] && [ "$(cat $state/cluster)" != "$CLUSTER" ]; then
  trap - ERR
  echo "This machine is the node $(owner) of another cluster; no changes were made here." >&2
  echo "If that cluster is to go: \`pulumi destroy\` in its own stack. If its state is lost: see docs/operations.md, \"A lost state\"." >&2
  exit 77
fi

# without_own_name FILE: the hosts file without its entry for this machine's own name.
without_own_name() { sed '/^127\.0\.1\.1[[:space:]]/d' "$1"; }

# named NODE: this machine resolves its own name.
named() { grep -qE "^127\.0\.1\.1[[:space:]]+$1( |\$)" /etc/hosts; }

# The architecture of the userland, as K3s names it: a 32-bit system may run on a 64-bit kernel.
architecture() {
  case "$(uname -m)/$(getconf LONG_BIT)" in
    x86_64/64) echo amd64 ;;
    aarch64/64 | arm64/64) echo arm64 ;;
    aarch64/32 | armv7l/* | armv8l/*) echo arm ;;
    *) die "K3s has no release for $(uname -m) with a $(getconf LONG_BIT)-bit userland." ;;
  esac
}

memory_cgroup() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then grep -qw memory /sys/fs/cgroup/cgroup.controllers
  else [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; fi
}

# command_line: the file that the Raspberry Pi keeps its kernel's command line in, elsewhere before Debian 12; it has one line.
command_line() {
  local file
  for file in /boot/firmware/cmdline.txt /boot/cmdline.txt ''; do [ ! -f "$file" ] || break; done
  echo "$file"
}

unit() { if [ "${ROLE:-server}" = server ]; then echo k3s; else echo k3s-agent; fi; }

# journal UNIT: its last lines, those that K3s itself calls errors first.
journal() {
  local lines; lines=$(journalctl --no-pager -o cat -n 300 -u "$1" 2>/dev/null | cut -c 1-300)
  { grep -E 'level=(error|fatal)|panic' <<<"$lines" | tail -n 8; tail -n 5 <<<"$lines"; } || true
}

kube() { k3s kubectl --request-timeout=15s "$@"; }

# found ARGUMENTS…: names of what `kubectl get` finds. A kind that the cluster does not have any more has none.
found() {
  local said
  said=$(kube get -o name "$@" 2>&1) || {
    grep -qE "doesn't have a resource type|no matches for kind" <<<"$said" && return
    echo "$said"
    return 1
  }
  grep -E '^[a-z0-9.-]+/' <<<"$said" || true
}

# unbind NAMESPACE NAME: nothing waits for its finalizers any more.
unbind() { kube patch "$2" -n "$1" --type=merge -p '{"metadata": {"finalizers": null}}' 2>&1; }

# device: the interface of this machine that carries ADDRESS, unless INTERFACE names another.
device() { if [ -n "${INTERFACE:-}" ]; then echo "$INTERFACE"; else ip -o addr show to "$ADDRESS" | awk '{print $2; exit}'; fi; }

# serving: the API server on this machine is ready.
serving() {
  curl -fsS --max-time 3 --cacert $data/server/tls/server-ca.crt --cert $data/server/tls/client-admin.crt \
    --key $data/server/tls/client-admin.key https://127.0.0.1:6443/readyz
}

await_api() { wait_for 120 serving || api_away "The API on $(hostname) does not answer within 120 s." "$(journal k3s)"; }

# cluster_ca: the certificate of the cluster's CA, as a server told it over SSH, or else this server's own; nothing if none is known.
cluster_ca() { if [ -n "${CA:-}" ]; then base64 -d <<<"$CA"; else cat $data/server/tls/server-ca.crt 2>/dev/null || true; fi; }

# own_ca_hash: the hash of this server's CA, as K3s puts it into its token.
own_ca_hash() { sed -n 's/^K10\([0-9a-f]\{64\}\)::.*/\1/p' $data/server/token 2>/dev/null || true; }

# ca_hash: the hash of the cluster's CA, as a server told it over SSH, or else this server's own.
ca_hash() { if [ -n "${CA_HASH:-}" ]; then echo "$CA_HASH"; else own_ca_hash; fi; }

# cluster_answers HOST:PORT: a server of this cluster answers there, as its CA vouches.
cluster_answers() { [ "$(curl -fsS --max-time 3 --cacert <(cluster_ca) "https://$1/ping" 2>/dev/null)" = pong ]; }

# speaks_k3s HOST:PORT: somebody answers there as a K3s server does. Nobody vouches for him: it is a reason to stop, never to go on.
speaks_k3s() { [ "$(curl -ksS --max-time 3 "https://$1/ping" 2>/dev/null)" = pong ]; }

# secret_of FILE: the token in the file, without the CA's hash and the user before it.
secret_of() { local text; text=$(cat "$1" 2>/dev/null) || true; echo "${text##*:}"; }

# full_token HASH: the staged token, which K3s then gives to no cluster with another CA; the bare one where no hash is known.
full_token() {
  local user=node
  if [ "$(cat $state/service 2>/dev/null)" = k3s ]; then user=server; fi
  if [ -n "$1" ]; then echo "K10$1::$user:$(cat $state/staged/token)"; else cat $state/staged/token; fi
}

# program: what tells the installed program from any other, without reading it.
program() { stat -c '%i %s %Z' /usr/local/bin/k3s 2>/dev/null || true; }

# drift: says what on this machine is not as it was last applied, a line each.
drift() {
  [ -e $state/applied ] || { echo "K3s was not put here by homelab, or its record is gone"; return; }
  local service file kept now
  service=$(cat $state/service 2>/dev/null || echo k3s)
  now=$(systemctl is-active "$service" || true)
  case $now in active | activating) ;; *) echo "$service is $now" ;; esac
  systemctl -q is-enabled "$service" 2>/dev/null || echo "$service does not start at boot"
  [ "$(program)" = "$(cat $state/program 2>/dev/null)" ] || cmp -s "$state/k3s/$(cat $state/staged/version)/k3s" /usr/local/bin/k3s ||
    echo "/usr/local/bin/k3s is another program$(/usr/local/bin/k3s --version 2>/dev/null | sed -n '1s/.* version \([^ ]*\).*/, K3s \1/p')"
  for file in config.yaml registries.yaml agent-token config.yaml.d/secrets.yaml admission.yaml audit.yaml; do
    kept=$state/staged/${file##*/}
    [ "$service/$file" != k3s-agent/agent-token ] && [ -s "$kept" ] || continue
    cmp -s "$kept" "$etc/$file" || echo "$etc/$file was changed"
  done
  # the lab may have been built before tokens had a hash
  cmp -s <(full_token "$(cat $state/ca-hash 2>/dev/null)") $etc/token || echo "$etc/token was changed"
}

# pending NAMESPACE/RELEASE…: records of interrupted Helm runs at these, each namespace/release:secret:status.
pending() {
  local each
  for each; do
    kube get secrets -n "${each%%/*}" -l "owner=helm,name=${each#*/},status in (pending-install,pending-upgrade,pending-rollback,uninstalling)" \
      -o jsonpath="{range .items[*]}$each:{.metadata.name}:{.metadata.labels.status}{'\n'}{end}"
  done
}

# given_rights: the bindings of ours in the cluster, in the form of RIGHTS. Names of roles and people may hold anything there,
# line breaks included: they are quoted, and what is no plain name stays so.
given_rights() {
  # shellcheck disable=SC2016 # a template of Go
  kube get clusterrolebindings,rolebindings -A -l homelab/rights -o go-template='{{range .items}}{{or .metadata.namespace "*"}} {{printf "%q" .metadata.name}} {{printf "%q" .roleRef.name}} {{range $at, $each := .subjects}}{{if $at}},{{end}}{{printf "%q" $each.name}}{{end}}{{"\n"}}{{end}}' |
    sed -E 's/"([a-z0-9-]+)"/\1/g' | grep -E '^[^ ]+ homelab-[a-z0-9-]+ ' || true
}

# rights_diff: how what people may do differs from RIGHTS: < before what is missing; first, > before what is too much.
rights_diff() { diff <(sort <<<"$RIGHTS") <(given_rights | sort) | grep '^[<>] .' | sort -r || true; }

# too_small: why the machines cannot hold what asks for CPU (thousandths of one) and MEMORY (MiB); nothing if they can.
# shellcheck disable=SC2153 # they are given
too_small() {
  kube get nodes -o jsonpath='{range .items[*]}{.status.allocatable.cpu}{" "}{.status.allocatable.memory}{"\n"}{end}' |
    awk -v cpu="$CPU" -v memory="$MEMORY" '
      { cpus += $1 ~ /m$/ ? $1 + 0 : $1 * 1000 }
      { mib += $2 ~ /Ki$/ ? $2 / 1024 : $2 ~ /Mi$/ ? $2 + 0 : $2 ~ /Gi$/ ? $2 * 1024 : $2 / 1048576 }
      END {
        if (memory > mib) printf "the layers ask for at least %d MiB of memory, and all machines have %d\n", memory, mib
        if (cpu > cpus) printf "the layers ask for at least %.1f processors, and all machines have %.1f\n", cpu / 1000, cpus / 1000
      }'
}

# fixed_changes: what was fixed when this machine became a node and is given differently now, a line each.
# shellcheck disable=SC2153 # it is given
fixed_changes() {
  local line key
  [ -e $state/fixed ] || return 0
  while IFS= read -r line; do
    key=${line%%: *}
    grep -qxF -- "$line" <<<"$FIXED" || printf 'was: %s\nnow: %s\n' "$line" "$(grep -F -- "$key: " <<<"$FIXED" || true)"
  done <$state/fixed
}

# check_fixed: refuses to change what K3s cannot change on a node, before anything else is done to the machine.
check_fixed() {
  local changes; changes=$(fixed_changes)
  [ -z "$changes" ] || die "This cannot be changed on a node of a cluster; no changes were made:" "$changes" \
    "Put it back. A node's own role or address: take it out of \`nodes\`, \`pulumi up\`, put it in again, \`pulumi up\`." \
    "What all nodes share: \`pulumi destroy\`, and build the cluster again."
}

# has_data: K3s' data of a cluster are on this machine, whoever put them there.
has_data() { [ -e $data/agent/client-kubelet.crt ] || [ -d $data/server/db/etcd ] || [ -e $data/server/db/state.db ]; }

# joined UNIT: this machine holds what makes it a member of the cluster.
joined() { [ -e $data/agent/client-kubelet.crt ] && { [ "$1" = k3s-agent ] || [ -d $data/server/db/etcd/member/wal ]; }; }

# facts JSONPATH: what the API knows of NODE.
# shellcheck disable=SC2153 # it is given
facts() { kube get node "$NODE" -o "jsonpath=$1"; }

# exists NAME: the cluster has that node. Dies if the API does not say.
exists() {
  local node
  node=$(kube get node "$1" --ignore-not-found -o name) || die "The API on $(hostname) does not say whether there is a node $1." "$(journal k3s)"
  [ -n "$node" ]
}

# status NAME: whether the node is Ready. Fails if the API does not say.
status() { kube get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'; }

# members: the servers in etcd; behind each TrueTrue if it is Ready and votes.
members() {
  kube get nodes -l node-role.kubernetes.io/etcd -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.status.conditions[?(@.type=="Ready")].status}{.status.conditions[?(@.type=="EtcdIsVoter")].status}{"\n"}{end}'
}

# versions: what the servers run, a line each.
versions() { kube get nodes -l node-role.kubernetes.io/etcd -o jsonpath='{range .items[*]}{.status.nodeInfo.kubeletVersion}{"\n"}{end}'; }

# newer OLD NEW: the second version is newer than the first.
newer() { [ "$1" != "$2" ] && printf '%s\n' "$1" "$2" | sed 's/-rc/~rc/' | sort -CV && return; return 1; }

# unsafe_without NAME…: why etcd would have no quorum once these left it; nothing if it would have one.
unsafe_without() {
  local server ready left=0 alive=0 silent=''
  while read -r server ready; do
    case " $* " in *" $server "*) continue ;; esac
    left=$((left + 1))
    if [ "$ready" = TrueTrue ]; then alive=$((alive + 1)); else silent+=" $server"; fi
  done < <(members)
  [ $((alive * 2)) -gt "$left" ] || echo "only $alive of the $left other servers are Ready (not$silent)"
}

# blockers: disruption budgets that allow nothing now, and their pods on NODE.
# shellcheck disable=SC2153 # it is given
blockers() {
  local where budget selector pods
  # shellcheck disable=SC2016 # a template of Go
  kube get poddisruptionbudgets -A -o go-template='{{range .items}}{{if not .status.disruptionsAllowed}}{{.metadata.namespace}} {{.metadata.name}} {{range $key, $value := .spec.selector.matchLabels}}{{$key}}={{$value}},{{end}}{{"\n"}}{{end}}{{end}}' |
    while read -r where budget selector; do
      pods=$(kube get pods -n "$where" -l "${selector%,}" --field-selector "spec.nodeName=$NODE" -o jsonpath='{.items[*].metadata.name}')
      [ -z "$pods" ] || echo "disruption budget $budget in namespace $where keeps: $pods"
    done
}

# drain OUTCOME: moves the pods away from NODE; OUTCOME says what was not done if they do not go.
# shellcheck disable=SC2153 # it is given
drain() {
  local report; report=$(mktemp)
  say "draining $NODE"
  if ! k3s kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout="${DRAIN_SECONDS}s" >"$report" 2>&1; then
    die "$NODE could not be drained within $DRAIN_SECONDS s; it was not $1 and stays cordoned." "$(blockers)" "$(tail -n 5 "$report")" \
      "Give what it holds another replica elsewhere, or loosen the budget; then run \`pulumi up\` again."
  fi
  rm -f "$report"
}

# storage: what the API knows of nodes and of what binds volumes to them, a line each. Fails if it does not say.
# A class whose volumes are bound to machines says so in the volume; Longhorn's replicas are objects of its own.
# shellcheck disable=SC2016 # templates of Go
storage() {
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

# volumes_only_on NODE [GOING…]: volumes of NODE that no other machine has which is Ready and is not GOING as well, a line each.
volumes_only_on() {
  local known; known=$(storage) || return
  awk -v node="$1" -v going=" $* " '
    function has(name, values) { return name != "" && index("," values, "," name ",") }
    # a node without the label, or that the API forgot, is known by its name; what is asked for without `in` would be there then
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
    # one that failed has data still, and where all did, Longhorn brings the volume back from them
    $1 == "replica" { if ($3 == node) { if (!($2 in here) || $4 == "healthy") here[$2] = $4 } else if ($4 == "healthy" && stays($3)) elsewhere[$2] }
    END { end_volume(); for (each in here) if (!(each in elsewhere)) print "Longhorn volume " each ", of which " (here[each] == "healthy" ? node " has the last healthy replica" : "no replica is healthy, and " node " has one") }
  ' <<<"$known" | sort
}

# check_volumes NODE [GOING…]: refuses to lose them, unless `cluster.discard` names the node.
check_volumes() {
  local lost
  case " ${FLAGS:-} " in *" discard-node-$1 "*) return ;; esac
  lost=$(volumes_only_on "$@") || die "The API on $(hostname) does not say which volumes $1 holds; it was not removed." "Run \`pulumi up\` again."
  [ -z "$lost" ] || die "$1 holds volumes that no other machine has ($(wc -l <<<"$lost")); it was not removed:" "$(head -n 10 <<<"$lost")" \
    "Move or back up what is in them and delete them, or allow the loss: \`homelab:cluster.discard: [$1]\`, then \`pulumi up\`."
}

# delete_node NAME: with it goes its place in etcd, and its password, so that its name is free again.
# What is beside the Node goes first: once that is gone, no run looks for the rest.
delete_node() {
  kube delete -n kube-system "secret/$1.node-password.k3s" "configmap/homelab-node-$1" --ignore-not-found >/dev/null
  k3s kubectl delete node "$1" --timeout=180s >/dev/null || die "Node $1 could not be deleted within 180 s." "$(kube get node "$1" 2>&1)"
}

# lost_servers: those that do not answer and are described no more; SERVERS are those that are.
lost_servers() {
  members | while read -r server ready; do
    case "$ready $SERVERS " in TrueTrue* | *" $server "*) ;; *) echo "$server" ;; esac
  done
}

# drop_gone: takes them out.
drop_gone() {
  local server reason
  while read -r server; do
    reason=$(unsafe_without "$server")
    [ -z "$reason" ] || die "$server is gone for good, and cannot be taken out of etcd: $reason." "Bring the others back first: kubectl get nodes"
    say "taking $server out of the cluster: it does not answer and is described no more"
    delete_node "$server"
  done < <(lost_servers)
}

# kubeconfigs_mark: what the stack's kubeconfigs are made of: its requests, and the cluster's authorities.
# shellcheck disable=SC2153 # it is given
kubeconfigs_mark() { cat - $data/server/tls/client-ca.crt $data/server/tls/server-ca.crt <<<"$REQUESTS" | sha256sum | cut -c 1-16; }
