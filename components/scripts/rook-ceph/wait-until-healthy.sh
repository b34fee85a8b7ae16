# shellcheck shell=bash
# On a server: wait until Ceph is ready and uses all its disks.
# NAMESPACE DISKS (their number)

phase() { kube get cephcluster "$NAMESPACE" -n "$NAMESPACE" -o jsonpath='{.status.phase}'; }

# working: print the number of disks whose OSD pod is available.
working() {
  kube get deployments -n "$NAMESPACE" -l app=rook-ceph-osd -o jsonpath='{range .items[*]}{.status.availableReplicas}{"\n"}{end}' | grep -cx 1 || true
}

gathered() { [ "$(phase)" = Ready ] && [ "$(working)" -ge "$DISKS" ]; }

main() {
  wait_for_api
  say "waiting for Ceph on $DISKS disks"
  wait_for 1500 gathered || die "Ceph is not ready after 1500 s: its phase is '$(phase || true)', and it uses $(working) of $DISKS disks." \
    "$(kube get cephcluster "$NAMESPACE" -n "$NAMESPACE" -o jsonpath='{.status.message}' 2>&1)" "$(kube get pods -n "$NAMESPACE" 2>&1)" \
    "To see why a disk is not used: k3s kubectl logs -n $NAMESPACE -l app=rook-ceph-osd-prepare --tail=-1"
}
main </dev/null
