# shellcheck shell=bash
# On a machine that is being removed: raise the flag `foreign` if the machine is no longer NODE.
# NODE

main() {
  [ "$(prepared_node)" = "$NODE" ] || raise_flag foreign
}
main </dev/null
