# shellcheck shell=bash
# Reboots once this script's connection has ended; no new connection is taken before that.

main() {
  say "rebooting"
  systemd-run -q --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot
}
main </dev/null
