# shellcheck shell=bash
# Looks whether a folder can be mounted from here as it was last set up.
# FOLDER

main() {
  [ -e $state/exports ] || { echo "no folder was exported here: its disk is new"; return; }
  cmp -s $state/exports /etc/exports.d/homelab.exports || echo "/etc/exports.d/homelab.exports was changed"
  [ -d "$FOLDER" ] || echo "$FOLDER is gone"
  systemctl -q is-active nfs-server || echo "nfs-server is $(systemctl is-active nfs-server)"
}
main </dev/null
