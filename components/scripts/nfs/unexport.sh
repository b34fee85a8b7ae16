# shellcheck shell=bash
# Remove the NFS export of a folder. Its files and the installed packages stay.
# FOLDER

main() {
  lock
  say "removing the NFS export of $FOLDER; its files stay"
  rm -f /etc/exports.d/homelab.exports $state/exports
  if command -v exportfs >/dev/null; then exportfs -ra || true; fi
}
main </dev/null
