# shellcheck shell=bash
# Drift check: print the commands of `machine.commands` that run after K3s, but did not run on this machine.

record=$state/commands/afterk3s

main() {
  local file name
  [ -d $record ] || { echo "the commands of the machine did not run: its disk is new"; return; }
  for file in "$record"/*.delete; do
    name=${file##*/} name=${name%.delete}
    [ ! -e "$file" ] || [ -e "$record/$name.done" ] || echo "machine.commands.$name did not end"
  done
}
main </dev/null
