#!/bin/sh
# Installs what the tests need beside Go, and only what is missing: a C
# compiler for the race detector, systemd-analyze for the unit's test.
set -eu
need=""
command -v gcc >/dev/null 2>&1 || need="$need gcc libc6-dev"
command -v systemd-analyze >/dev/null 2>&1 || need="$need systemd"
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
