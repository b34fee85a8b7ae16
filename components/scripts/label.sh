# shellcheck shell=bash
# On a server: keeps the labels and taints of NODE in step, and nothing that others set.
# NODE LABELS TAINTS (a line each)

check_machine_id() {
  local twins; twins=$(kube get nodes -o jsonpath='{range .items[*]}{.status.nodeInfo.machineID}{" "}{.metadata.name}{"\n"}{end}' |
    grep "^$(facts '{.status.nodeInfo.machineID}') " | cut -d' ' -f2 | grep -vx "$NODE" | xargs || true)
  [ -z "$twins" ] || die "$NODE has the same machine-id as $twins: they were copied from one disk." "On $NODE: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"
}

# names KIND: what tells marks apart, a line each: the key of a label, key and effect of a taint.
names() { if [ "$1" = taint ]; then sed -E 's/=.*:/:/'; else sed -E 's/=.*//'; fi | sort -u; }

# held KIND: the names of those that the node has, whoever set them.
held() {
  # shellcheck disable=SC2016 # a template of Go
  kube get node "$NODE" -o go-template='{{range $key, $value := .metadata.labels}}label {{$key}}{{"\n"}}{{end}}{{range .spec.taints}}taint {{.key}}:{{.effect}}{{"\n"}}{{end}}' |
    sed -n "s/^$1 //p" | sort
}

# keep_in_step KIND WANTED: sets what is wanted and removes what an earlier run set and this one does not want.
keep_in_step() {
  local kind=$1 wanted=$2 before there arguments=()
  before=$(facts "{.metadata.annotations.homelab/${kind}s}")
  there=$(held "$kind")
  # one that is gone by hand already would be an error
  mapfile -t arguments < <(comm -23 <(tr ' ' '\n' <<<"$before" | names "$kind") <(names "$kind" <<<"$wanted") | comm -12 - <(echo "$there") | sed '/./!d; s/$/-/')
  [ -z "$wanted" ] || mapfile -t -O "${#arguments[@]}" arguments <<<"$wanted"
  if [ "${#arguments[@]}" -gt 0 ]; then
    kube "$kind" node "$NODE" --overwrite "${arguments[@]}" >/dev/null
  fi
  # what a look at the machine compares with
  wanted=$(sed -E 's/=:/:/' <<<"$wanted" | xargs)
  [ "$before" = "$wanted" ] || kube annotate node "$NODE" --overwrite "homelab/${kind}s=$wanted" >/dev/null
}

main() {
  check_machine_id
  keep_in_step label "$LABELS"
  keep_in_step taint "$TAINTS"
}
main </dev/null
