# shellcheck shell=bash
# Reboot one second later, so that this script's connection ends first.

main() {
  say "rebooting"
  systemd-run -q --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot
}
main </dev/null
