"""The task that upgrades the packages of a machine's distribution for `machine.packageUpgrade`."""

from components.cluster.reboot import REBOOT
from components.provider_resources import step

_IN_TURN = ["pending", "member"]
RUN = (
    step("node/upgrade-packages.sh", exports=["TURN", "FINISHED"]),
    step("cluster/wait-for-quorum.sh", on="server", when=_IN_TURN),
    step("cluster/wait-for-quorum.sh", on="server", when=_IN_TURN, turn=True),
    step("cluster/pause-kured.sh", on="server", when=_IN_TURN, turn=True),
    step("node/upgrade-packages.sh", when=_IN_TURN, turn=True, exports=["FINISHED"]),
    *REBOOT,
    step("cluster/uncordon.sh", on="server", when=["upgraded", "member"], turn=True),
    step("node/upgrade-packages.sh"),
)
"""Steps that upgrade the packages, and reboot the machine if the upgrade needs a reboot.

Each machine downloads the packages before its turn. On a node of the cluster, the upgrade and the reboot run on one
server at a time, or on up to `maxUnavailable` agents. Only after the node is Ready again is the next machine upgraded,
and the upgrade recorded.
"""
DRIFT_CHECK = "drift/package-upgrade.sh"
