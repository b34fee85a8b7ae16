# shellcheck shell=bash
# Succeed if the API of this server is ready.

main() { serving; }
main </dev/null
