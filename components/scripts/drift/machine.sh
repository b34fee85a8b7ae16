# shellcheck shell=bash
# Drift check: compare the machine with the settings of `machine` that were last applied.

record=$state/machine
zones=/usr/share/zoneinfo

lines() { cat "$1" 2>/dev/null || true; }

files() {
  local file key mode owner sum
  [ -d $record/files ] || return 0
  find $record/files -type f ! -name '*.homelab-new' -printf '/%P\n' | sort | while IFS= read -r file; do
    read -r key mode owner sum <"$record/files$file"
    if [ ! -f "$file" ]; then echo "$file (machine.$key) is missing"
    elif [ "$(sha256_of "$file")" != "$sum" ]; then echo "$file (machine.$key) was changed"
    elif [ "$(stat -L -c '%a %U:%G' "$file")" != "$mode $owner" ]; then echo "$file (machine.$key) has the mode and owner $(stat -L -c '%a %U:%G' "$file"), not $mode $owner"; fi
  done
}

mounts() {
  local file
  for file in "$record"/files/etc/systemd/system/*.mount; do
    [ -e "$file" ] || continue
    systemctl -q is-active "${file##*/}" || echo "${file##*/} is not mounted"
  done
}

kernel() {
  local key value now file word
  lines /etc/sysctl.d/91-homelab-machine.conf | while IFS='=' read -r key value; do
    now=$(sysctl -n "$key" 2>&1 | tr '\t' ' ') || true
    [ "$now" = "$value" ] || echo "$key is $now, not $value"
  done
  for word in $(lines /etc/modules-load.d/homelab-machine.conf); do
    [ -d "/sys/module/${word//-/_}" ] || grep -qs "/${word//-/_}\.ko" "/lib/modules/$(uname -r)/modules.builtin" || echo "the kernel module $word is not loaded"
  done
  file=$(command_line)
  for word in $(lines $record/parameters); do
    tr ' ' '\n' </proc/cmdline | grep -xF -- "$word" >/dev/null || echo "the kernel command line lacks $word"
    [ -z "$file" ] || head -n 1 "$file" | tr ' ' '\n' | grep -xF -- "$word" >/dev/null || echo "$file lacks $word"
  done
}

packages() {
  local package
  for package in $(lines $record/wanted-packages); do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "the package $package is not installed"
  done
}

main() {
  local zone
  [ -d $record ] || { echo "the settings of the machine were not applied: its disk is new"; return; }
  zone=$(lines $record/timezone)
  [ -z "$zone" ] || [ "$(readlink /etc/localtime)" = "$zones/$zone" ] || echo "the time zone is $(readlink /etc/localtime), not $zone"
  [ ! -e $record/pending ] || echo "changes of the machine were not applied: $(paste -sd, $record/pending)"
  files
  mounts
  packages
  kernel
}
main </dev/null
