# shellcheck shell=bash
# On a server: keeps the labels and taints of NODE in step, and nothing that others set.
# NODE LABELS TAINTS (a line each)

facts() { kube get node "$NODE" -o "jsonpath=$1"; }

check_machine_id() {
  local twins; twins=$(kube get nodes -o jsonpath='{range .items[*]}{.status.nodeInfo.machineID}{" "}{.metadata.name}{"\n"}{end}' |
    grep "^$(facts '{.status.nodeInfo.machineID}') " | cut -d' ' -f2 | grep -vx "$NODE" | xargs || true)
  [ -z "$twins" ] || die "$NODE has the same machine-id as $twins: they were copied from one disk." "On $NODE: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"
}

# keep_in_step KIND WANTED: sets what is wanted and removes what an earlier run set and this one does not want.
keep_in_step() {
  local kind=$1 wanted=$2 before keys key arguments=()
  before=$(facts "{.metadata.annotations.homelab/${kind}s}")
  keys=$(sed -E 's/[=:].*//' <<<"$wanted" | sort -u | xargs)
  for key in $(xargs -n 1 <<<"$before" | sed -E 's/[=:].*//'); do
    case " $keys " in *" $key "*) ;; *) arguments+=("$key-") ;; esac
  done
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
