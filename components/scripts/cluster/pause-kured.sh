# shellcheck shell=bash
# On a server: take the lock of kured, so that kured reboots no machine while homelab changes NODE.
# NODE

main() {
  # without a ready API, kured reboots no machine either
  command -v k3s >/dev/null && wait_for 20 api_ready || return 0
  pause_kured changed
}
main </dev/null
