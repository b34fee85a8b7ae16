# shellcheck shell=bash
# Looks whether the machine is as it was last applied.
# ROLE

main() { drift; }
main </dev/null
