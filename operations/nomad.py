"""`./homelab nomad`: writes the credentials with which the `nomad` command accesses the lab's Nomad cluster."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from components.kubernetes.manifest import ComputedSecret
from components.layers.nomad.layer import HTTP_PORT, Nomad
from components.layers.nomad.secrets import Credential
from components.settings.addresses import bracketed
from operations import files, task_state
from operations.console import console, report_errors
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from stacks.homelab import layers_of
from stacks.settings import LabStack
from stacks.stackfile import short_name

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def nomad(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the credentials. Default: ~/.config/homelab/STACK/nomad.", file_okay=False),
    ] = None,
) -> None:
    """Write the `nomad` command's credentials: a certificate for this year, its private key, and a management token."""
    folder = (output or Path("~/.config/homelab") / short_name(stack) / "nomad").expanduser().resolve()
    with report_errors():
        texts = _texts(Stack(stack, config_file), folder)
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        for name, text in texts.items():
            files.replace(folder / name, text, FILE_MODE)
    console.print(f"Try: . {shlex.quote(str(folder / 'environment'))} && nomad server members", soft_wrap=True)


def _texts(stack: Stack, folder: Path) -> dict[str, str]:
    """Return the contents of the Nomad credential files by file name.

    Raises `SettingsError` if the stack file is invalid, and `StackError` if Nomad or a credential is missing.
    """
    layer = next((entry for entry in layers_of(LabStack.read(stack.file)) if isinstance(entry, Nomad)), None)
    if layer is None:
        raise StackError(f"Stack {stack.name} has no Nomad cluster: set homelab:platform.nomad in the stack file.")
    salt = task_state.secret(stack, "nomad-salt")

    def value_of(credential: Credential) -> str:
        return credential.compute(salt) if isinstance(credential, ComputedSecret) else stack.secret(credential.secret)

    access = layer.access
    credentials = {"ca.pem": access.ca, "cert.pem": access.certificate, "key.pem": access.key}
    texts = {name: value_of(credential) for name, credential in credentials.items()}
    server = next(node for node in layer.lab.cluster.nodes if node.name == layer.settings.servers[0])
    variables = {
        "NOMAD_ADDR": f"https://{bracketed(server.address)}:{HTTP_PORT}",
        "NOMAD_TLS_SERVER_NAME": "server.global.nomad",
        "NOMAD_CACERT": str(folder / "ca.pem"),
        "NOMAD_CLIENT_CERT": str(folder / "cert.pem"),
        "NOMAD_CLIENT_KEY": str(folder / "key.pem"),
        "NOMAD_TOKEN": value_of(access.token),
    }
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    return texts | {"environment": "".join(lines)}
