#!/bin/sh
# Installs what the tests need beside Go, and only what is missing: a C
# compiler for the race detector, systemd-analyze for the unit's test, the
# firewalls, a container engine and a Syncthing to stand up and knock down.
# Arguments name further programs, each of a package of the same name.
set -eu
need=""
has() {
	command -v "$1" >/dev/null 2>&1 || PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || need="$need $2"
}
has gcc "gcc libc6-dev"
has systemd-analyze systemd
has nft nftables
has ufw ufw
has ip iproute2
has iptables iptables
has dockerd docker.io
has syncthing syncthing
has mkfs.ext4 e2fsprogs
for program; do has "$program" "$program"; done
[ -n "$need" ] || exit 0
sudo=""
if [ "$(id -u)" != 0 ]; then sudo="sudo"; fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "test/deps.sh: install these yourself, there is no apt-get here:$need" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update
# shellcheck disable=SC2086 # a list of packages
$sudo apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 $need
