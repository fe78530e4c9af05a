// SPDX-License-Identifier: Apache-2.0
// The static executable that runs in the guest, as data. See initramfs.cpp.
    .section .rodata.tl_agent_image, "a", @progbits
    .balign 64
    .global tl_agent_image_begin
    .type tl_agent_image_begin, @object
tl_agent_image_begin:
    .incbin TL_AGENT_IMAGE
    .global tl_agent_image_end
tl_agent_image_end:
    .size tl_agent_image_begin, tl_agent_image_end - tl_agent_image_begin
    .section .note.GNU-stack, "", @progbits
