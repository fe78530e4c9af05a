#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the lab's machine from the distribution's packages and prints its folder:
# <cache>/lab-<digest>/{root.img,vmlinuz,initramfs}. The digest is over what goes in, so a second run is instant; the
# folder is renamed into place when it is whole. Needs mmdebstrap; no root.
set -euo pipefail
export LC_ALL=C
umask 022

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
cache=$1
packages='python3-minimal python3 socat e2fsprogs procps psmisc strace fio qemu-system-x86
busybox-static kmod mount util-linux iproute2 libasan8 libubsan1 libarchive13 libnghttp2-14 libext2fs2 libcom-err2 libssl3 libfmt9'

say() { printf 'lab: %s\n' "$*" >&2; }
fail() {
  printf 'lab: %s\n' "$1" >&2
  exit 1
}

# The kernel with kvm, and as few drivers as there are, under the name that this distribution has for it.
kernel_package() {
  local name
  for name in linux-image-cloud-amd64 linux-image-virtual linux-image-kvm; do
    if apt-cache show --no-all-versions "$name" >/dev/null 2>&1; then
      printf '%s\n' "$name"
      return
    fi
  done
  fail 'apt offers no kernel for the lab'
}

# Those of the list that this release has: libraries are called after their version.
known() {
  local name
  for name in "$@"; do
    if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then printf '%s,' "$name"; fi
  done
}

clean_up() { rm -rf "$work"; }

main() {
  local kernel version digest final release
  kernel=$(kernel_package)
  version=$(apt-cache policy "$kernel" | sed -n 's/^  Candidate: //p')
  digest=$({
    printf '%s %s %s\n' "$kernel" "$version" "$packages"
    cat "${BASH_SOURCE[0]}" "$here"/image_hook.sh "$here"/init "$here"/initramfs_init
  } | sha256sum | cut -c1-32)
  final=$cache/lab-$digest
  mkdir -p "$cache"
  exec 9>"$cache/lab.lock"
  flock 9
  if [ ! -s "$final/root.img" ]; then
    work=$(mktemp -d "$cache/lab-work.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    chmod 755 "$work"
    mkdir -m 777 "$work/out"
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    say "making a machine with $kernel $version: about a minute"
    # shellcheck disable=SC2086 # a list
    mmdebstrap --quiet --format=null --variant=apt --include="$(known $packages)$kernel" \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='APT::Install-Recommends "false"' \
      --customize-hook="$here/image_hook.sh \"\$1\" '$here' '$work/out'" "$release" - >"$work/log" 2>&1 ||
      { tail -n 20 "$work/log" >&2 && fail 'the machine could not be made'; }
    rm -rf "$cache"/lab-????????????????????????????????
    mv -T "$work/out" "$final"
  fi
  printf '%s\n' "$final"
}

main
