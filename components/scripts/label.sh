# shellcheck shell=bash
# On a server: keeps the labels and taints of NODE in step, and nothing that others set.
# NODE LABELS TAINTS (a line each)

record=homelab-node-$NODE

# What every node is and has, and what was annotated, a line each behind its name. Text of others is quoted.
look() {
  # shellcheck disable=SC2016 # a template of Go
  kube get nodes -o go-template='{{range .items}}{{$name := .metadata.name}}{{$name}} machine {{.status.nodeInfo.machineID}}
{{range $key, $value := .metadata.labels}}{{$name}} label {{$key}}
{{end}}{{range .spec.taints}}{{$name}} taint {{.key}}:{{.effect}}
{{end}}{{with .metadata.annotations}}{{with index . "homelab/labels"}}{{$name}} labels {{printf "%q" .}}
{{end}}{{with index . "homelab/taints"}}{{$name}} taints {{printf "%q" .}}
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

# recorded KIND: what an earlier run set on NODE, a line each: by a ConfigMap, since the machine itself may annotate its node.
# Labs built before that have the annotation only.
recorded() {
  local text
  if [ -n "$kept" ]; then text=$(sed -n "s/^${1}s //p" <<<"$kept"); else text=$(has "${1}s"); fi
  if [[ $text =~ ^\"([A-Za-z0-9=:./_\ -]*)\"$ ]]; then tr ' ' '\n' <<<"${BASH_REMATCH[1]}"; fi
}

# keep_record LABELS TAINTS: a line each.
keep_record() {
  local of_labels of_taints wanted
  of_labels=$(sort -u <<<"$1" | xargs) of_taints=$(sed -E 's/=:/:/' <<<"$2" | sort -u | xargs)
  printf -v wanted 'labels "%s"\ntaints "%s"' "$of_labels" "$of_taints"
  [ "$kept" != "$wanted" ] && [ -n "$kept$of_labels$of_taints" ] || return 0
  kube apply --server-side --force-conflicts --field-manager=homelab -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "$record", "namespace": "kube-system"},
 "data": {"labels": "$of_labels", "taints": "$of_taints"}}
END
  kept=$wanted
}

# keep_in_step KIND WANTED BEFORE: sets what is wanted and removes what an earlier run set and this one does not want.
keep_in_step() {
  local kind=$1 wanted=$2 before=$3 arguments=()
  # one that is gone by hand already would be an error
  mapfile -t arguments < <(comm -23 <(names "$kind" <<<"$before") <(names "$kind" <<<"$wanted") | comm -12 - <(has "$kind" | sort) | sed '/./!d; s/$/-/')
  [ -z "$wanted" ] || mapfile -t -O "${#arguments[@]}" arguments <<<"$wanted"
  if [ "${#arguments[@]}" -gt 0 ]; then
    kube "$kind" node "$NODE" --overwrite "${arguments[@]}" >/dev/null
  fi
  # what the machine's drift check compares with
  wanted=$(sed -E 's/=:/:/' <<<"$wanted" | xargs)
  [ "$(has "${kind}s")" = "\"$wanted\"" ] || [ -z "$wanted$(has "${kind}s")" ] || given+=("homelab/${kind}s=$wanted")
}

main() {
  local seen kept old_labels old_taints given=()
  seen=$(look)
  # shellcheck disable=SC2016 # a template of Go
  kept=$(kube get configmap "$record" -n kube-system --ignore-not-found -o go-template='{{range $kind, $names := .data}}{{$kind}} {{printf "%q" $names}}{{"\n"}}{{end}}')
  check_machine_id
  old_labels=$(recorded label) old_taints=$(recorded taint)
  # both before and after: a run that ends between them leaves nothing that a later one does not know
  keep_record "$old_labels"$'\n'"$LABELS" "$old_taints"$'\n'"$TAINTS"
  keep_in_step label "$LABELS" "$old_labels"
  keep_in_step taint "$TAINTS" "$old_taints"
  keep_record "$LABELS" "$TAINTS"
  [ "${#given[@]}" = 0 ] || kube annotate node "$NODE" --overwrite "${given[@]}" >/dev/null
}
main </dev/null
