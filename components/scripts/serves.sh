# shellcheck shell=bash
# Succeeds on a server whose API is ready.

main() { serving; }
main </dev/null
