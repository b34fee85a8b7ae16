# shellcheck shell=bash
# Validate that pods can use this machine's NVIDIA GPU. Nothing is installed, because NVIDIA has its own repository.
# NODE ROLE

main() {
  local again="Then run \`pulumi up\` again."
  nvidia-smi -L >/dev/null 2>&1 || die "$NODE has no working NVIDIA driver: nvidia-smi -L finds no GPU." \
    "Install your distribution's driver (Debian: nvidia-driver from non-free, Ubuntu: ubuntu-drivers install --gpgpu) and reboot." "$again"
  command -v nvidia-container-runtime >/dev/null || die "$NODE has no NVIDIA container runtime." \
    "Add NVIDIA's repository as described in its guide (search for: NVIDIA Container Toolkit, installation guide), then:" \
    "  apt-get install nvidia-container-toolkit && systemctl restart $(unit)" "$again"
  grep -qs nvidia-container-runtime $data/agent/etc/containerd/config.toml || die "K3s on $NODE has not detected NVIDIA's container runtime, which it does at its start." \
    "Restart K3s, servers one after the other: systemctl restart $(unit)" "$again"
}
main </dev/null
