"""SSH client that rejects host certificates without principals."""

import asyncssh
from asyncssh.public_key import SSHOpenSSHCertificate, decode_ssh_certificate

from provider.model import Hop


class PrincipalCheckingClient(asyncssh.SSHClient):
    """Rejects host certificates without principals, because asyncssh accepts such certificates for every host."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Wrap asyncssh's host key validation, because asyncssh has no hook for checking a certificate's principals."""
        validate = conn.validate_server_host_key

        def strict(host_key: bytes) -> asyncssh.SSHKey:
            self._reject_without_principals(host_key)
            return validate(host_key)

        conn.validate_server_host_key = strict  # type: ignore[method-assign, assignment]

    def _reject_without_principals(self, host_key: bytes) -> None:
        try:
            certificate = decode_ssh_certificate(host_key)
        except asyncssh.KeyImportError:  # a plain key
            return
        if isinstance(certificate, SSHOpenSSHCertificate) and not certificate.principals:
            raise asyncssh.HostKeyNotVerifiable(
                "the host certificate has no principals, so the certificate would be valid for every host; "
                f"sign a certificate with `ssh-keygen -s CA_KEY -h -I {self._hop.name} -n {self._hop.address} KEY.pub`"
            )
