# shellcheck shell=bash
# Drift check: print the commands of `machine.commands` that run before K3s, but did not run on this machine.

main() { incomplete_commands beforek3s; }
main </dev/null
