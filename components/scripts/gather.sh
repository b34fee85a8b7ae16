# shellcheck shell=bash
# On a server: waits until Ceph works, on all disks that it was given.
# NAMESPACE DISKS (how many)

phase() { kube get cephcluster "$NAMESPACE" -n "$NAMESPACE" -o jsonpath='{.status.phase}'; }

# working: how many disks have a daemon that is available.
working() {
  kube get deployments -n "$NAMESPACE" -l app=rook-ceph-osd -o jsonpath='{range .items[*]}{.status.availableReplicas}{"\n"}{end}' | grep -cx 1 || true
}

gathered() { [ "$(phase)" = Ready ] && [ "$(working)" -ge "$DISKS" ]; }

main() {
  await_api
  say "waiting for Ceph on $DISKS disks"
  wait_for 1500 gathered || die "After 1500 s Ceph is '$(phase || true)', on $(working) of $DISKS disks." \
    "$(kube get cephcluster "$NAMESPACE" -n "$NAMESPACE" -o jsonpath='{.status.message}' 2>&1)" "$(kube get pods -n "$NAMESPACE" 2>&1)" \
    "Why a disk is not taken: k3s kubectl logs -n $NAMESPACE -l app=rook-ceph-osd-prepare --tail=-1"
}
main </dev/null
