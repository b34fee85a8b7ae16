# shellcheck shell=bash
# Run the scripts of `machine.commands` of one stage: create, update or delete. With UNDO, run every delete script.
# NODE ROLE STAGE COMMANDS UNDO RETIRED; TURN, which is set while this machine may be disrupted

record=$state/commands/$STAGE

# read_commands: read the entries of COMMANDS. Each entry is a line `NAME REBOOT SUM TRIGGERS BYTES BYTES BYTES`, and then
# the scripts create, update and delete.
read_commands() {
  local name fields size
  while read -r name fields; do
    [ -n "$name" ] || continue
    names+=("$name")
    read -r reboots["$name"] sums["$name"] triggers["$name"] sizes <<<"$fields"
    for size in $sizes; do
      text=''
      if [ "$size" != 0 ]; then IFS= read -r -N "$size" text; fi
      scripts+=("$text")
    done
  done <<<"${COMMANDS:-}"
}

# done_with NAME: print the hashes of the scripts and of the triggers that were completed last.
done_with() { cat "$record/$1.done" 2>/dev/null || true; }

# due NAME: print what is to run: create, update, or recreate; nothing if the command is as it should be.
due() {
  local sum trigger
  read -r sum trigger < <(done_with "$1") || true
  if [ -z "$sum" ]; then echo create
  elif [ "$trigger" != "${triggers[$1]}" ]; then echo recreate
  elif [ "$sum" != "${sums[$1]}" ]; then echo update; fi
}

# removed: print the names of the commands that the stack file no longer contains, the last first.
removed() {
  [ -d "$record" ] || return 0
  find "$record" -maxdepth 1 -name '*.delete' -printf '%f\n' | sed 's/\.delete$//' | sort -r | grep -vxF "$(printf '%s\n' "${names[@]}")" || true
}

# is_pending: succeed if any script is to run.
is_pending() {
  local name
  [ -z "$(removed)" ] || return 0
  for name in "${names[@]}"; do [ -z "$(due "$name")" ] || return 0; done
  return 1
}

# run NAME KIND REBOOT: run TEXT. It cannot hold the lock of this machine, and reads no input.
run() {
  local log code=0; log=$(mktemp)
  say "running machine.commands.$1.$2"
  if [ "$3" = yes ]; then write_atomically "$record/reboot" 600 </proc/sys/kernel/random/boot_id; fi
  write_atomically "$record/running" 700 < <(printf %s "$text")
  env -i HOME=/root LANG=C.UTF-8 PATH="$PATH" NODE="$NODE" ROLE="$ROLE" bash -e "$record/running" </dev/null >"$log" 2>&1 9>&- || code=$?
  [ "$code" = 0 ] || die "machine.commands.$1.$2 on $NODE ended with status $code. Its output ends:" "$(tail -n 15 "$log")" "$(next_step "$2")"
  rm -f "$log"
}

# next_step KIND: print how to continue after a script that failed.
next_step() {
  if [ "$1" = delete ]; then echo "Correct the cause on the machine, or restore the command with another \`delete\`; then run \`pulumi up\` again."
  else echo "Correct the script; then run \`pulumi up\` again."; fi
}

# run_delete NAME: run the delete script that belongs to what ran last.
run_delete() {
  local text reboot
  [ -e "$record/$1.delete" ] || return 0
  reboot=$(head -n 1 "$record/$1.delete")
  text=$(tail -n +2 "$record/$1.delete")
  [ -z "$text" ] || run "$1" delete "$reboot"
}

delete_removed() {
  local name
  for name in $(removed); do
    run_delete "$name"
    rm -f "$record/$name.done"
    rm -f "$record/$name.delete"
  done
}

# apply_command NAME CREATE UPDATE DELETE: run what is due. The delete script is stored before, so that it also undoes a
# script that fails.
apply_command() {
  local name=$1 kind text
  kind=$(due "$name")
  if [ "$kind" = recreate ]; then
    run_delete "$name"
    rm -f "$record/$name.done"
    kind=create
  fi
  write_atomically "$record/$name.delete" 600 < <(printf '%s\n' "${reboots[$name]}" "$4")
  case $kind in
    '') return ;;
    create) text=$2 ;;
    update) text=${3:-$2}; [ -n "$3" ] || kind=create ;;
  esac
  run "$name" "$kind" "${reboots[$name]}"
  write_atomically "$record/$name.done" 600 <<<"${sums[$name]} ${triggers[$name]}"
}

apply_commands() {
  local index
  for index in "${!names[@]}"; do apply_command "${names[index]}" "${scripts[@]:index * 3:3}"; done
}

# reboot_if_needed: raise the flag for a reboot, until the machine has booted again. A machine that leaves the lab is not
# rebooted.
reboot_if_needed() {
  [ -e "$record/reboot" ] || return 0
  if cmp -s "$record/reboot" /proc/sys/kernel/random/boot_id && { [ -z "${UNDO:-}" ] || systemctl -q is-active "$(unit)"; }; then raise_flag reboot
  else rm -f "$record/reboot"; fi
}

remove_record() {
  local folder
  rm -rf "$record"
  for folder in $state/commands $state; do [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder"; done
}

main() {
  local names=() scripts=() sizes text
  local -A reboots=() sums=() triggers=()
  lock
  if [ -n "${UNDO:-}" ]; then case "$(prepared_node)" in "$NODE" | '') ;; *) return ;; esac
  else check_node "$NODE"; fi
  [ -n "${UNDO:-}" ] || read_commands
  if systemctl -q is-active "$(unit)" && [ -z "${RETIRED:-}" ]; then
    raise_flag member
    if [ -z "${TURN:-}" ] && is_pending; then
      raise_flag commands
      export_variable TURN yes
      return
    fi
  fi
  [ -n "${UNDO:-}" ] || mkdir -p "$record"
  delete_removed
  apply_commands
  rm -f "$record/running"
  reboot_if_needed
  [ -z "${UNDO:-}" ] || [ -e "$record/reboot" ] || remove_record
}
main </dev/null
