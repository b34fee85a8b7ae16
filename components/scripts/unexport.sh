# shellcheck shell=bash
# On a machine: nobody mounts the folder from here any more. What is in it stays, and so do packages.
# FOLDER

main() {
  lock
  say "taking the export of $FOLDER back; what is in it stays"
  rm -f /etc/exports.d/homelab.exports $state/exports
  if command -v exportfs >/dev/null; then exportfs -ra || true; fi
}
main </dev/null
