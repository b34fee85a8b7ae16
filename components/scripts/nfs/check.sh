# shellcheck shell=bash
# Drift check: compare the NFS export of a folder with what was last applied.
# FOLDER

main() {
  [ -e $state/exports ] || { echo "homelab exported no folder on this disk, which may be new"; return; }
  cmp -s $state/exports /etc/exports.d/homelab.exports || echo "/etc/exports.d/homelab.exports was changed"
  [ -d "$FOLDER" ] || echo "$FOLDER was removed"
  systemctl -q is-active nfs-server || echo "nfs-server is $(systemctl is-active nfs-server)"
}
main </dev/null
