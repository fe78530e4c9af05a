// SPDX-License-Identifier: Apache-2.0
// What the guest's kernel starts from, as data: whole pages, so that they can be mapped. See initramfs.hpp.
    .section .rodata.tl_initramfs, "a", @progbits
    .balign 4096
    .global tl_initramfs_begin
    .type tl_initramfs_begin, @object
tl_initramfs_begin:
    .incbin TL_INITRAMFS
    .global tl_initramfs_end
tl_initramfs_end:
    .size tl_initramfs_begin, tl_initramfs_end - tl_initramfs_begin
    .section .note.GNU-stack, "", @progbits
