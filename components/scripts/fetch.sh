# shellcheck shell=bash
# Fetches and verifies K3s on a machine that is to join, while the cluster is founded.
# VERSION RELEASES INSTALLER PINS IMAGES

main() {
  lock
  fetch_release
}
main </dev/null
