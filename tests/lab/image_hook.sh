#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Called by mmdebstrap when the packages are in ROOT, as its root: image_hook.sh ROOT LAB OUT.
set -eu
root=$1 lab=$2 out=$3

# What is needed to reach the root disk is in the initramfs, and the rest of the modules on the disk.
cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
release=$(basename "$root"/lib/modules/*)
chroot "$root" depmod "$release"
small=$root/tmp/initramfs
mkdir -p "$small/bin" "$small/lib" "$small/proc" "$small/sys" "$small/dev" "$small/root"
cp "$root/bin/busybox" "$small/bin/"
cp "$lab/initramfs_init" "$small/init"
for module in virtio_pci virtio_blk ext4; do
  chroot "$root" modprobe --show-depends -S "$release" "$module" | sed -n 's/^insmod //p'
done | awk '!seen[$0]++' | while read -r file; do
  cp "$root/$file" "$small/lib/"
  basename "$file" >>"$small/lib/order"
done
chmod 755 "$small/init"
(cd "$small" && find . | "$root/bin/busybox" cpio -o -H newc) >"$out/initramfs"
rm -rf "$small" "${root:?}"/boot/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
install -m 755 "$lab/init" "$root/sbin/lab-init"
truncate -s 3G "$out/root.img"
# Without what is mounted in it now.
mkdir "$out/alone"
mount --bind "$root" "$out/alone"
mke2fs -q -t ext4 -F -d "$out/alone" "$out/root.img"
umount "$out/alone"
rmdir "$out/alone"
