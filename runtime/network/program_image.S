// SPDX-License-Identifier: Apache-2.0
// The program tl-net as data. See program.hpp.
    .section .rodata.tl_network_program, "a", @progbits
    .balign 16
    .global tl_network_program_begin
    .type tl_network_program_begin, @object
tl_network_program_begin:
    .incbin TL_NETWORK_PROGRAM
    .global tl_network_program_end
tl_network_program_end:
    .size tl_network_program_begin, tl_network_program_end - tl_network_program_begin
    .section .note.GNU-stack, "", @progbits
