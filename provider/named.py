"""Host certificates name the machines that they are good for."""

import asyncssh
from asyncssh.public_key import SSHOpenSSHCertificate, decode_ssh_certificate

from .model import Hop


class Named(asyncssh.SSHClient):
    """Refuses a certificate without principals. SSH reads it as good for every machine, and asyncssh takes it."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Look at what the machine shows before asyncssh does, which has no other hook for it."""
        validate = conn.validate_server_host_key

        def strict(shown: bytes) -> asyncssh.SSHKey:
            self._refuse_unnamed(shown)
            return validate(shown)

        conn.validate_server_host_key = strict  # type: ignore[method-assign, assignment]

    def _refuse_unnamed(self, shown: bytes) -> None:
        try:
            certificate = decode_ssh_certificate(shown)
        except asyncssh.KeyImportError:  # a key without a certificate
            return
        if isinstance(certificate, SSHOpenSSHCertificate) and not certificate.principals:
            raise asyncssh.HostKeyNotVerifiable(
                "the one it shows has no principals, so it would be good for every machine; sign one with "
                f"`ssh-keygen -s AUTHORITY -h -I {self._hop.name} -n {self._hop.address} KEY.pub`"
            )
