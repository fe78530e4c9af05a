#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the lab's machine from the distribution's packages and prints its folder:
# <cache>/lab-<digest>/{root.img,vmlinuz,initramfs,qemu-system-x86_64}. The digest is over what goes in, so a second run
# is instant; the folder is renamed into place when it is whole. Needs mmdebstrap; no root.
set -euo pipefail
export LC_ALL=C
umask 022

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
cache=$1
packages='python3-minimal python3 socat e2fsprogs procps psmisc strace fio qemu-system-x86 openssh-server openssh-client rsync
busybox-static kmod mount util-linux iproute2 libasan8 libubsan1 libarchive13 libnghttp2-14 libext2fs2 libcom-err2 libssl3 libfmt9'

say() { printf 'lab: %s\n' "$*" >&2; }
fail() {
  printf 'lab: %s\n' "$1" >&2
  exit 1
}

# The newest kernel with kvm, and as few drivers as there are, under the name that this distribution has for it.
kernel_package() {
  local name
  for name in linux-image-6.12-cloud-amd64 linux-image-cloud-amd64 linux-image-virtual-hwe-24.04 linux-image-virtual \
    linux-image-kvm; do
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

# The emulator. Before version 10 QEMU's emulation of AMD-V with several processors loses interrupts and breaks kernels
# now and then; a Debian that has an older one borrows its successor's, unpacked and not installed.
add_qemu() {
  local to=$1 version id suite=trixie
  version=$(dpkg-query -W -f '${Version}' qemu-system-x86 2>/dev/null || printf '0')
  # shellcheck source=/dev/null
  id=$(. /etc/os-release && printf '%s' "$ID")
  if [ "$id" != debian ] || dpkg --compare-versions "$version" ge 1:10; then
    ln -s "$(command -v qemu-system-x86_64)" "$to/qemu-system-x86_64"
    return
  fi
  mkdir "$to/qemu"
  mmdebstrap --quiet --variant=extract --include=qemu-system-x86,seabios --aptopt='APT::Install-Recommends "false"' \
    "$suite" - 2>>"$work/log" | tar -x -C "$to/qemu" --wildcards './usr/lib/*' './usr/lib64' './usr/share/qemu/*' \
    './usr/share/seabios/*' './usr/bin/qemu-system-*'
  # Its own C library with it.
  cat >"$to/qemu-system-x86_64" <<'END'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/qemu
lib=$root/usr/lib/x86_64-linux-gnu
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/qemu-system-x86_64" \
  -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
END
  chmod 755 "$to/qemu-system-x86_64"
  "$to/qemu-system-x86_64" --version >/dev/null
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
    add_qemu "$work/out" || { tail -n 20 "$work/log" >&2 && fail "QEMU could not be unpacked"; }
    rm -rf "$cache"/lab-????????????????????????????????
    mv -T "$work/out" "$final"
  fi
  printf '%s\n' "$final"
}

main
