# shellcheck shell=bash
# Drift check: print whether the package upgrade of `machine.packageUpgrade` is missing. New packages are no drift.

main() { [ -e $state/package-upgrade/done ] || echo "the packages of the machine were not upgraded: its disk is new"; }
main </dev/null
