"""Steps that reboot a machine."""

from components.provider_resources import step

REBOOT = (
    step("cluster/wait-for-quorum.sh", on="server", when=["reboot", "member"]),
    step("cluster/wait-for-quorum.sh", on="server", when=["reboot", "member"], turn=True),
    step("cluster/drain.sh", on="server", when=["reboot", "member"], turn=True),
    step("node/reboot.sh", when=["reboot"], reboots=True),
)
"""Steps that reboot a machine in its turn if an earlier step has raised the flag `reboot`."""
