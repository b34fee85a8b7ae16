# shellcheck shell=bash
# Print facts about a machine as lines `name=value`. Read-only: it changes nothing, takes no lock and does not judge.
# ADDRESS INTERFACE ROLE PACKAGES PORTS (protocol/number)

fact() { printf '%s=%s\n' "$1" "$2"; }
yes_if() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }
os() { sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | tr -d '"' || true; }

system() {
  fact clock "$(date +%s)"
  fact root "$(yes_if [ "$(id -u)" = 0 ])"
  fact os "$(os ID)"
  fact os-like "$(os ID_LIKE)"
  fact os-version "$(os VERSION_ID)"
  fact os-name "$(os PRETTY_NAME)"
  fact apt "$(yes_if command -v apt-get)"
  fact systemd "$(yes_if [ -d /run/systemd/system ])"
  fact arch "$(architecture 2>/dev/null || true)"
  fact uname "$(uname -m), $(getconf LONG_BIT)-bit"
  fact machine-id "$(cat /etc/machine-id 2>/dev/null || true)"
}

cgroups() {
  fact memory-cgroup "$(yes_if memory_cgroup)"
  fact command-line "$(command_line)"
}

network() {
  fact device "$(network_interface)"
  fact device-there "$(yes_if ip link show "$(network_interface)")"
  fact addresses "$(ip -o addr show scope global | awk '{printf "%s%s", sep, $4; sep=" "}')"
  fact ports-known "$(yes_if command -v ss)"
  ss -Hlntup 2>/dev/null | awk -v wanted=" $PORTS " '{
    port = $5; sub(/.*:/, "", port); name = $1 "/" port
    if (!index(wanted, " " name " ")) next
    who = "the kernel"; if (split($0, part, "\"") > 1) who = part[2]
    print "port=" name " " who
  }' | sort -u || true
}

disks() {
  df --output=target,avail,pcent -m /var/lib $data 2>/dev/null | tail -n +2 | sort -u | sed 's/^/disk=/; s/%$//; s/  */ /g' || true
}

packages() {
  local missing=() package installed
  # shellcheck disable=SC2086 # a list
  installed=" $(dpkg-query -W -f '${package}=${db:Status-Status} ' $PACKAGES 2>/dev/null || true) "
  for package in $PACKAGES; do [[ $installed == *" $package=installed "* ]] || missing+=("$package"); done
  fact missing "${missing[*]}"
  fact half-installed "$(dpkg --audit 2>/dev/null | sed -n 's/^ \([^ ]\{1,\}\) .*/\1/p' | paste -sd ' ' || true)"
  [ "${#missing[@]}" -gt 0 ] || return 0
  local output
  if output=$(apt-get -sq install --no-install-recommends "${missing[@]}" 2>&1); then fact apt-would yes
  else fact apt-says "$(grep '^E: ' <<<"$output" | head -n 1 | cut -c 4- || true)"; fi
}

cluster() {
  fact owner "$(prepared_node)"
  fact unit "$(systemctl is-active "$(unit)" 2>/dev/null || true)"
  fact unit-there "$(yes_if systemctl cat "$(unit)")"
  fact other-unit "$(yes_if systemctl cat "$(ROLE=$([ "$ROLE" = server ] && echo agent || echo server) unit)")"
  fact version "$(k3s --version 2>/dev/null | awk 'NR == 1 {print $3}' || true)"
  [ -e $state/applied ] || return 0
  local line
  while IFS= read -r line; do [ -z "$line" ] || fact differs "$line"; done <<<"$(drift)"
}

main() {
  system
  cgroups
  network
  disks
  [ "$(command -v apt-get)" = '' ] || packages
  cluster
  fact end yes
}
main </dev/null
