# shellcheck shell=bash
# Print facts about a machine as lines `name=value`. Read-only: it changes nothing, takes no lock and does not judge.
# NODE ADDRESS INTERFACE ROLE PACKAGES PORTS (protocol/number) MODULES VIP

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
  fact hosts-rewritten-for "$(hosts_rewritten_for "$NODE")"
  fact machine-id "$(cat /etc/machine-id 2>/dev/null || true)"
}

kernel() {
  local module swap
  fact kernel "$(uname -r)"
  fact kernel-updated "$(yes_if kernel_was_updated)"
  fact kernel-installed "$(yes_if kernel_was_installed)"
  fact module-package "$(module_package)"
  fact container "$(yes_if is_container)"
  for module in $MODULES; do fact module "$module $(yes_if has_module "$module")"; done
  fact reboot-required "$(yes_if [ -e /run/reboot-required ])"
  fact reboot-packages "$(sort -u /run/reboot-required.pkgs 2>/dev/null | paste -sd ' ' || true)"
  fact page-size "$(getconf PAGESIZE)"
  while read -r swap _; do fact swap "$swap"; done < <(tail -n +2 /proc/swaps 2>/dev/null || true)
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

# lan: print how the address, the names and the virtual IP of the machine depend on the network around it.
lan() {
  local device domain; device=$(network_interface)
  fact mac "$(cat "/sys/class/net/$device/address" 2>/dev/null || true)"
  fact mtu "$(cat "/sys/class/net/$device/mtu" 2>/dev/null || true)"
  fact wireless "$(yes_if [ -e "/sys/class/net/$device/phy80211" ])"
  fact dynamic "$(yes_if grep -q ' dynamic ' <<<"$(ip -o addr show to "$ADDRESS")")"
  for domain in $(sed -n 's/^search[[:space:]]//p' /etc/resolv.conf 2>/dev/null | tail -n 1); do
    # a name that nobody registers has an address only if a wildcard record answers for it
    fact search "$domain $(timeout 3 getent ahosts "homelab-doctor-$RANDOM.${domain%.}." 2>/dev/null | awk 'NR == 1 {print $1}' || true)"
  done
  [ -n "${VIP:-}" ] || return 0
  fact vip-held "$(yes_if grep -q . <<<"$(ip -o addr show to "$VIP")")"
  timeout 1 bash -c "exec 3<>/dev/tcp/$VIP/6443" 2>/dev/null || true
  fact vip-neighbour "$(ip neigh show to "$VIP" 2>/dev/null | sed -n 's/.* lladdr \([^ ]*\).*/\1/p' | head -n 1)"
}

# firewall: print the rules of the firewall that is in charge of incoming packets.
firewall() {
  local zone family=''
  if [ "$(ufw status 2>/dev/null | head -n 1)" = 'Status: active' ]; then
    fact firewall ufw
    ufw status verbose | sed 's/^/rule=/'
  elif [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
    fact firewall firewalld
    zone=$(firewall-cmd --get-zone-of-interface="$(network_interface)" 2>/dev/null || firewall-cmd --get-default-zone)
    firewall-cmd --zone="$zone" --list-all | sed 's/^/rule=/'
    fact trusted "$(firewall-cmd --zone=trusted --list-sources)"
  else
    case $ADDRESS in *:*) family=6 ;; esac
    "ip${family}tables" -S INPUT 2>/dev/null | head -n 100 | sed 's/^/rule=/' || true
    input_chains | sed 's/^/chain=/'
  fi
}

# input_chains: print the chains of nftables that drop incoming packets by default; iptables lists its own.
input_chains() {
  local family table chain
  nft list chains 2>/dev/null | awk '$1 == "table" {table = $2 " " $3} $1 == "chain" {chain = $2} / hook input .* policy drop;/ {print table, chain}' |
    while read -r family table chain; do
      case "$family $table $chain" in ip*' filter INPUT') ;; *) nft list chain "$family" "$table" "$chain" 2>/dev/null ;; esac
    done || true
}

# storage: print what can damage volumes: multipathd, and worn flash memory.
storage() {
  local file
  fact disk-size "$(df --output=size -m /var/lib 2>/dev/null | tail -n 1 | xargs)"
  fact multipathd "$(systemctl is-active multipathd 2>/dev/null || true)"
  fact multipath-blacklist "$(sed -n '/^[[:space:]]*blacklist[[:space:]]*{/,/}/p' /etc/multipath.conf /etc/multipath/conf.d/*.conf 2>/dev/null | tr -s '[:space:]' ' ' || true)"
  for file in /sys/block/mmcblk*/device/life_time; do
    [ ! -e "$file" ] || fact worn "$(cut -d/ -f4 <<<"$file") $(cat "$file")"
  done
}

# certificates: print when each certificate of K3s expires, in seconds since 1970.
certificates() {
  local file end
  for file in "$data"/agent/*.crt "$data"/server/tls/*.crt "$data"/server/tls/etcd/*.crt; do
    [ -e "$file" ] || continue
    end=$(openssl x509 -noout -enddate -in "$file" 2>/dev/null) && fact certificate "$(date -d "${end#*=}" +%s) $file"
  done
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
  kernel
  cgroups
  network
  lan
  firewall
  disks
  storage
  certificates
  [ "$(command -v apt-get)" = '' ] || packages
  cluster
  fact end yes
}
main </dev/null
