# shellcheck shell=bash
# On a server: synchronize the labels and taints of NODE with the stack file; those set by others stay.
# NODE LABELS TAINTS (one per line)

record=homelab-node-$NODE

# list_nodes: print machine ID, labels, taints and annotations of every node, each line behind the node's name. Annotations
# are quoted, because the machine itself can write them.
list_nodes() {
  # shellcheck disable=SC2016 # a Go template
  kube get nodes -o go-template='{{range .items}}{{$name := .metadata.name}}{{$name}} machine {{.status.nodeInfo.machineID}}
{{range $key, $value := .metadata.labels}}{{$name}} label {{$key}}
{{end}}{{range .spec.taints}}{{$name}} taint {{.key}}:{{.effect}}
{{end}}{{with .metadata.annotations}}{{with index . "homelab/labels"}}{{$name}} labels {{printf "%q" .}}
{{end}}{{with index . "homelab/taints"}}{{$name}} taints {{printf "%q" .}}
{{end}}{{end}}{{end}}'
}

# has KIND: print the lines of that kind that NODE has, whoever set them.
has() { awk -v node="$NODE" -v kind="$1" '$1 == node && $2 == kind {$1 = $2 = ""; print substr($0, 3)}' <<<"$nodes"; }

check_machine_id() {
  local twins; twins=$(awk -v node="$NODE" -v id="$(has machine)" '$1 != node && $2 == "machine" && $3 == id {print $1}' <<<"$nodes" | xargs)
  [ -z "$twins" ] || die "$NODE has the same machine-id as $twins: one disk is a copy of the other." "On $NODE: rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; reboot"
}

# names KIND: read labels or taints from standard input, and print the identity of each: the key of a label, or the key
# and effect of a taint.
names() { if [ "$1" = taint ]; then sed -E 's/=.*:/:/'; else sed -E 's/=.*//'; fi | sort -u; }

# recorded KIND: print the labels or taints that earlier runs set on NODE. The record is a ConfigMap, because the machine
# itself can change its Node's annotations; labs of older versions have only the annotation.
recorded() {
  local text
  if [ -n "$configmap" ]; then text=$(sed -n "s/^${1}s //p" <<<"$configmap"); else text=$(has "${1}s"); fi
  if [[ $text =~ ^\"([A-Za-z0-9=:./_\ -]*)\"$ ]]; then tr ' ' '\n' <<<"${BASH_REMATCH[1]}"; fi
}

# save_record LABELS TAINTS: write the ConfigMap; labels and taints are one per line.
save_record() {
  local of_labels of_taints wanted
  of_labels=$(sort -u <<<"$1" | xargs) of_taints=$(sed -E 's/=:/:/' <<<"$2" | sort -u | xargs)
  printf -v wanted 'labels "%s"\ntaints "%s"' "$of_labels" "$of_taints"
  [ "$configmap" != "$wanted" ] && [ -n "$configmap$of_labels$of_taints" ] || return 0
  kube apply --server-side --force-conflicts --field-manager=homelab -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "$record", "namespace": "kube-system"},
 "data": {"labels": "$of_labels", "taints": "$of_taints"}}
END
  configmap=$wanted
}

# synchronize KIND WANTED BEFORE: set the wanted labels or taints, and remove those that only an earlier run set.
synchronize() {
  local kind=$1 wanted=$2 before=$3 arguments=()
  # kubectl fails to remove a label or taint that was deleted by hand already
  mapfile -t arguments < <(comm -23 <(names "$kind" <<<"$before") <(names "$kind" <<<"$wanted") | comm -12 - <(has "$kind" | sort) | sed '/./!d; s/$/-/')
  [ -z "$wanted" ] || mapfile -t -O "${#arguments[@]}" arguments <<<"$wanted"
  if [ "${#arguments[@]}" -gt 0 ]; then
    kube "$kind" node "$NODE" --overwrite "${arguments[@]}" >/dev/null
  fi
  # the machine's drift check reads this annotation
  wanted=$(sed -E 's/=:/:/' <<<"$wanted" | xargs)
  [ "$(has "${kind}s")" = "\"$wanted\"" ] || [ -z "$wanted$(has "${kind}s")" ] || annotations+=("homelab/${kind}s=$wanted")
}

main() {
  local nodes configmap old_labels old_taints annotations=()
  nodes=$(list_nodes)
  # shellcheck disable=SC2016 # a Go template
  configmap=$(kube get configmap "$record" -n kube-system --ignore-not-found -o go-template='{{range $kind, $names := .data}}{{$kind}} {{printf "%q" $names}}{{"\n"}}{{end}}')
  check_machine_id
  old_labels=$(recorded label) old_taints=$(recorded taint)
  # save the record before and after, so that an interrupted run leaves no unrecorded label or taint
  save_record "$old_labels"$'\n'"$LABELS" "$old_taints"$'\n'"$TAINTS"
  synchronize label "$LABELS" "$old_labels"
  synchronize taint "$TAINTS" "$old_taints"
  save_record "$LABELS" "$TAINTS"
  [ "${#annotations[@]}" = 0 ] || kube annotate node "$NODE" --overwrite "${annotations[@]}" >/dev/null
}
main </dev/null
