# shellcheck shell=bash
# On a server: keeps the labels and taints of NODE in step, and nothing that others set.
# NODE LABELS TAINTS (a line each)

# What every node is and has, and what was given to it before, a line each behind its name.
look() {
  # shellcheck disable=SC2016 # a template of Go
  kube get nodes -o go-template='{{range .items}}{{$name := .metadata.name}}{{$name}} machine {{.status.nodeInfo.machineID}}
{{range $key, $value := .metadata.labels}}{{$name}} label {{$key}}
{{end}}{{range .spec.taints}}{{$name}} taint {{.key}}:{{.effect}}
{{end}}{{with .metadata.annotations}}{{with index . "homelab/labels"}}{{$name}} labels {{.}}
{{end}}{{with index . "homelab/taints"}}{{$name}} taints {{.}}
{{end}}{{end}}{{end}}'
}

# has KIND: what there is of it on NODE, whoever set it.
has() { awk -v node="$NODE" -v kind="$1" '$1 == node && $2 == kind {$1 = $2 = ""; print substr($0, 3)}' <<<"$seen"; }

check_machine_id() {
  local twins; twins=$(awk -v node="$NODE" -v id="$(has machine)" '$1 != node && $2 == "machine" && $3 == id {print $1}' <<<"$seen" | xargs)
  [ -z "$twins" ] || die "$NODE has the same machine-id as $twins: they were copied from one disk." "On $NODE: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"
}

# names KIND: what tells marks apart, a line each: the key of a label, key and effect of a taint.
names() { if [ "$1" = taint ]; then sed -E 's/=.*:/:/'; else sed -E 's/=.*//'; fi | sort -u; }

# keep_in_step KIND WANTED: sets what is wanted and removes what an earlier run set and this one does not want.
keep_in_step() {
  local kind=$1 wanted=$2 before arguments=()
  before=$(has "${kind}s")
  # one that is gone by hand already would be an error
  mapfile -t arguments < <(comm -23 <(tr ' ' '\n' <<<"$before" | names "$kind") <(names "$kind" <<<"$wanted") | comm -12 - <(has "$kind" | sort) | sed '/./!d; s/$/-/')
  [ -z "$wanted" ] || mapfile -t -O "${#arguments[@]}" arguments <<<"$wanted"
  if [ "${#arguments[@]}" -gt 0 ]; then
    kube "$kind" node "$NODE" --overwrite "${arguments[@]}" >/dev/null
  fi
  # what a look at the machine compares with
  wanted=$(sed -E 's/=:/:/' <<<"$wanted" | xargs)
  [ "$before" = "$wanted" ] || given+=("homelab/${kind}s=$wanted")
}

main() {
  local seen given=()
  seen=$(look)
  check_machine_id
  keep_in_step label "$LABELS"
  keep_in_step taint "$TAINTS"
  [ "${#given[@]}" = 0 ] || kube annotate node "$NODE" --overwrite "${given[@]}" >/dev/null
}
main </dev/null
