# SPDX-License-Identifier: Apache-2.0
# Freestanding guests for the tests of machine/kvm: 64-bit code without a kernel, at 1 MiB, with paging on and the
# first GiB mapped (boot_info.cpp). Only instructions that KVM's interpreter knows, so that they run on a
# /dev/kvm without hardware, too. A guest reports by bytes to the port 0x3f8 and ends by a triple fault.
        .section .rodata
        .intel_syntax noprefix

        .macro PIECE name
        .globl  tl_guest_\name, tl_guest_\name\()_end
        .balign 16
tl_guest_\name:
        .endm
        .macro END name
tl_guest_\name\()_end:
        .endm
        .macro SAY char
        mov     dx, 0x3f8
        mov     al, \char
        out     dx, al
        .endm
        # Resets: a page fault without a table of interrupts.
        .macro DIE
        push    0
        push    0
        lidt    [rsp]
        mov     rax, 0x4000000000
        mov     al, [rax]
        .endm
        .set    STACK, 0x180000
        .set    IDT, 0x181000
        # An interrupt gate for \vector to \handler. Uses rax, rbx.
        .macro GATE vector, handler
        lea     rax, [rip + \handler]
        mov     ebx, IDT + \vector * 16
        mov     word ptr [rbx], ax
        mov     word ptr [rbx + 2], 0x10
        mov     word ptr [rbx + 4], 0x8e00
        shr     rax, 16
        mov     word ptr [rbx + 6], ax
        mov     qword ptr [rbx + 8], 0
        .endm
        .macro LOAD_IDT
        push    IDT
        push    IDT
        mov     word ptr [rsp + 6], 0xfff
        lidt    [rsp + 6]
        .endm

# Says "hi" and resets.
PIECE   hello
        mov     esp, STACK
        SAY     'h'
        SAY     'i'
        DIE
END     hello

# Asks the keyboard controller for a reset, and waits.
PIECE   i8042
        mov     al, 0xfe
        out     0x64, al
1:      hlt
        jmp     1b
END     i8042

# Loads from the device's window, says the low byte, stores 0x1234 there, and rings its doorbell 0x50 with 3.
PIECE   mmio
        mov     esp, STACK
        mov     ebx, 0xd0000000
        mov     eax, [rbx]
        mov     dx, 0x3f8
        out     dx, al
        mov     dword ptr [rbx + 8], 0x1234
        mov     dword ptr [rbx + 0x50], 3
        DIE
END     mmio

# Lets the device on line 5 interrupt it by way of the I/O APIC, rings to say that it is ready, sleeps, and
# says "i" for the interrupt.
PIECE   irq
        mov     esp, STACK
        mov     al, 0xff                # not by the PIC, too
        out     0x21, al
        GATE    0x31, 2f
        LOAD_IDT
        mov     ebx, 0xfee00000         # the local APIC: on
        mov     dword ptr [rbx + 0xf0], 0x1ff
        mov     ebx, 0xfec00000         # the I/O APIC: line 5 is vector 0x31
        mov     dword ptr [rbx], 0x10 + 2 * 5 + 1
        mov     dword ptr [rbx + 0x10], 0
        mov     dword ptr [rbx], 0x10 + 2 * 5
        mov     dword ptr [rbx + 0x10], 0x31
        mov     ebx, 0xd0000000
        mov     dword ptr [rbx + 0x54], 0
        sti
1:      hlt
        jmp     1b
2:      SAY     'i'
        DIE
END     irq

# Counts eight interrupts of the local APIC's periodic timer, saying "t" for each.
PIECE   timer
        mov     esp, STACK
        GATE    0x32, 2f
        LOAD_IDT
        xor     ecx, ecx
        mov     ebx, 0xfee00000
        mov     dword ptr [rbx + 0xf0], 0x1ff
        mov     dword ptr [rbx + 0x3e0], 0xb    # divide by 1
        mov     dword ptr [rbx + 0x320], 0x20032
        mov     dword ptr [rbx + 0x380], 1000000  # KVM's counts nanoseconds
        sti
1:      hlt
        jmp     1b
2:      SAY     't'
        mov     ebx, 0xfee00000
        mov     dword ptr [rbx + 0xb0], 0
        inc     ecx
        cmp     ecx, 8
        jb      3f
        DIE
3:      iretq
END     timer

# The PIT, in its old place behind the PIC: says "p" for its first interrupt.
PIECE   pit
        mov     esp, STACK
        GATE    0x20, 2f
        LOAD_IDT
        mov     al, 0x11                # the PIC: vectors from 0x20 on, only line 0
        out     0x20, al
        mov     al, 0x20
        out     0x21, al
        mov     al, 4
        out     0x21, al
        mov     al, 1
        out     0x21, al
        mov     al, 0xfe
        out     0x21, al
        mov     al, 0x34                # channel 0, rate generator, 1 kHz
        out     0x43, al
        mov     al, 0xa9
        out     0x40, al
        mov     al, 4
        out     0x40, al
        sti
1:      hlt
        jmp     1b
2:      SAY     'p'
        DIE
END     pit

# Writes to the last word below the hole and the first one above 4 GiB, and reads the hole, each by one of the
# last 2 MiB of the first GiB, which it maps there; says "ok" when all is as it should be.
PIECE   hole
        mov     esp, STACK
        mov     rax, 0x100000083
        mov     [0xb000 + 511 * 8], rax
        mov     ebx, 0x3fe00000                 # 4 GiB
        invlpg  [rbx]
        mov     dword ptr [rbx], 0x11111111
        mov     eax, 0xbfe00083
        mov     [0xb000 + 510 * 8], rax
        mov     ecx, 0x3fc00000                 # 3 GiB - 2 MiB
        invlpg  [rcx]
        mov     dword ptr [rcx + 0x1ffffc], 0x22222222
        mov     eax, 0xc0000083
        mov     [0xb000 + 509 * 8], rax
        mov     esi, 0x3fa00000                 # 3 GiB
        invlpg  [rsi]
        cmp     dword ptr [rsi], 0xffffffff
        jne     1f
        cmp     dword ptr [rbx], 0x11111111
        jne     1f
        cmp     dword ptr [rcx + 0x1ffffc], 0x22222222
        jne     1f
        SAY     'o'
        SAY     'k'
1:      DIE
END     hole

# Counts in memory at 0x190000 for ever.
PIECE   count
        mov     ebx, 0x190000
1:      inc     dword ptr [rbx]
        jmp     1b
END     count

# Starts the other vCPU by INIT and SIPI at 0x8000, where the test has put a real-mode "say 2 and halt"; waits.
PIECE   start_other
        mov     ebx, 0xfee00000
        mov     dword ptr [rbx + 0xf0], 0x1ff
        mov     dword ptr [rbx + 0x310], 0x01000000
        mov     dword ptr [rbx + 0x300], 0x00004500
        mov     dword ptr [rbx + 0x310], 0x01000000
        mov     dword ptr [rbx + 0x300], 0x00004608
1:      hlt
        jmp     1b
END     start_other
PIECE   other
        .byte   0xba, 0xf8, 0x03        # mov dx, 0x3f8
        .byte   0xb0, '2'               # mov al, '2'
        .byte   0xee                    # out dx, al
        .byte   0xf4                    # hlt
        .byte   0xeb, 0xfd
END     other

# For saving and restoring: has marks in registers, a timer that is far away, and counts until the test says stop
# at 0x190008; then says how it is.
PIECE   marks
        mov     esp, STACK
        mov     r15, 0x1122334455667788
        mov     rax, 0xabcdef
        mov     cr2, rax
        mov     ebx, 0xfee00000
        mov     dword ptr [rbx + 0xf0], 0x1ff
        mov     dword ptr [rbx + 0x320], 0x10033
        mov     ecx, 0xc0000102                 # KERNEL_GS_BASE
        mov     eax, 0x55667788
        mov     edx, 0x3344
        wrmsr
        mov     ebx, 0x190000
1:      inc     dword ptr [rbx]
        cmp     dword ptr [rbx + 8], 0
        je      1b
        mov     rax, 0x1122334455667788
        cmp     r15, rax
        jne     2f
        SAY     'r'
        mov     rax, cr2
        cmp     rax, 0xabcdef
        jne     2f
        SAY     'c'
        mov     ecx, 0xc0000102
        rdmsr
        cmp     edx, 0x3344
        jne     2f
        SAY     'm'
        mov     ebx, 0xfee00000
        cmp     dword ptr [rbx + 0x320], 0x10033
        jne     2f
        SAY     'a'
2:      DIE
END     marks

# The same for the serial port: leaves a byte in its scratch register and one in its loopback, counts until the
# test says stop, and then says both.
PIECE   uart
        mov     esp, STACK
        mov     dx, 0x3ff
        mov     al, 's'
        out     dx, al
        mov     dx, 0x3fc
        mov     al, 0x10
        out     dx, al
        SAY     'l'
        mov     ebx, 0x190000
1:      inc     dword ptr [rbx]
        cmp     dword ptr [rbx + 8], 0
        je      1b
        mov     dx, 0x3ff
        in      al, dx
        mov     cl, al
        mov     dx, 0x3f8
        in      al, dx
        mov     ch, al
        mov     dx, 0x3fc
        mov     al, 0
        out     dx, al
        SAY     cl
        SAY     ch
        DIE
END     uart

        .section .note.GNU-stack, "", @progbits
