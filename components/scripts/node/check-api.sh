# shellcheck shell=bash
# Succeed if the API of this server is ready.

main() { api_ready; }
main </dev/null
