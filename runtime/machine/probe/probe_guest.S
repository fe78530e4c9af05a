# SPDX-License-Identifier: Apache-2.0
# What the probe runs as a guest: each piece is copied into guest memory and entered in 64-bit mode, ring 0, identity
# mapped, and tells that it has come to its end by a byte to port 0xf4. %rsp is a stack, %rdi a page of zeroes.
        .section .rodata
        .intel_syntax noprefix

        .macro PIECE name
        .globl tl_probe_\name
        .globl tl_probe_\name\()_end
tl_probe_\name:
        .endm
        .macro ENDPIECE name
        mov     al, 1
        out     0xf4, al
1:      hlt
        jmp     1b
tl_probe_\name\()_end:
        .endm

        # 131,074 instructions: 2^16 turns of two.
        PIECE loop
        mov     ecx, 0x10000
2:      dec     ecx
        jnz     2b
        ENDPIECE loop

        # What a kernel does all the time in ring 0.
        PIECE privileged
        mov     ebx, 64
2:      mov     rax, cr3
        mov     cr3, rax
        pushfq
        cli
        popfq
        mov     ecx, 0xc0000080
        rdmsr
        dec     ebx
        jnz     2b
        ENDPIECE privileged

        PIECE popcnt
        popcnt  rax, rdi
        ENDPIECE popcnt

        PIECE cmpxchg16b
        xor     eax, eax
        xor     edx, edx
        lock cmpxchg16b [rdi]
        ENDPIECE cmpxchg16b

        PIECE xsave
        mov     rax, cr4
        or      eax, 0x40600            # OSXSAVE, OSXMMEXCPT, OSFXSR
        mov     cr4, rax
        mov     eax, 3
        xor     edx, edx
        xsave   [rdi]
        xrstor  [rdi]
        ENDPIECE xsave

        # The handler stands first; int3 goes to it through the interrupt table and comes back.
        PIECE int3
        iretq
        .globl tl_probe_int3_entry
tl_probe_int3_entry:
        int3
        ENDPIECE int3

        .section .note.GNU-stack,"",@progbits
