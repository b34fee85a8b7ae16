# shellcheck shell=bash
# Drift check: compare the machine with what was last prepared.

settings=etc/sysctl.d/90-homelab.conf

files() {
  local file
  [ -d $prepared_files ] || return 0
  (cd $prepared_files && find . -type f ! -name '*.homelab-new' -printf '%P\n') | while IFS= read -r file; do
    cmp -s "$prepared_files/$file" "/$file" || echo "/$file was changed"
  done
}

kernel() {
  local key value now
  [ -e $prepared_files/$settings ] || return 0
  while IFS='=' read -r key value; do
    now=$(sysctl -n "$key" 2>&1) || true
    [ "$now" = "$value" ] || echo "$key is $now, not $value"
  done <$prepared_files/$settings
}

# rewriter NODE: print that cloud-init rewrites /etc/hosts, if it does.
rewriter() {
  local other; other=$(hosts_rewritten_for "$1")
  [ -z "$other" ] || echo ", because cloud-init rewrites it for $other at every boot (manage_etc_hosts)"
}

running() {
  [ ! -e "$state/restart-$1" ] || echo "$1 was not restarted with its new configuration"
  [ ! -e "$prepared_files$2" ] || systemctl -q is-active "$1" || echo "$1 is $(systemctl is-active "$1")"
}

main() {
  local name; name=$(prepared_node)
  [ -n "$name" ] || { echo "the machine was not prepared: its disk is new"; return; }
  [ ! -e $state/retired ] || echo "a destroy of the whole lab is unfinished"
  [ "$(hostname)" = "$name" ] && [ "$(cat /etc/hostname)" = "$name" ] || echo "the host name is $(hostname), not $name"
  has_hosts_entry "$name" || echo "/etc/hosts has no entry for the machine's name$(rewriter "$name")"
  files
  kernel
  running keepalived $keepalived_conf
  running haproxy $haproxy_conf
}
main </dev/null
