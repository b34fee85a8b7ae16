# shellcheck shell=bash
# Looks whether pods can be given the graphics card of this machine; nothing is installed: its maker has a repository.
# NODE ROLE

main() {
  local again="Then run \`pulumi up\` again."
  nvidia-smi -L >/dev/null 2>&1 || die "$NODE has no NVIDIA driver that works: nvidia-smi -L finds no card." \
    "Install the driver of your distribution (Debian: nvidia-driver of non-free, Ubuntu: ubuntu-drivers install --gpgpu) and reboot." "$again"
  command -v nvidia-container-runtime >/dev/null || die "$NODE has no NVIDIA container runtime." \
    "Add NVIDIA's repository as its guide says (search: NVIDIA Container Toolkit, installation guide), then:" \
    "  apt-get install nvidia-container-toolkit && systemctl restart $(unit)" "$again"
  grep -qs nvidia-container-runtime $data/agent/etc/containerd/config.toml || die "K3s on $NODE does not know NVIDIA's container runtime: it looks for it when it starts." \
    "Restart it, servers one after the other: systemctl restart $(unit)" "$again"
}
main </dev/null
