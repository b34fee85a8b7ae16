# shellcheck shell=bash
# Drift check: print the commands of `machine.commands` that run after K3s, but did not run on this machine.

main() { incomplete_commands afterk3s; }
main </dev/null
