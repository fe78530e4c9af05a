# SPDX-License-Identifier: Apache-2.0
# The guest's /init as a whole ELF file, header and all, so that the test needs no second compiler run.
        .section .rodata
        .intel_syntax noprefix
        .globl  tl_test_init, tl_test_init_end, tl_test_init_command
        .set    BASE, 0x400000
tl_test_init:
        .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
        .short  2, 62                   # ET_EXEC, EM_X86_64
        .long   1
        .quad   BASE + (start - tl_test_init)
        .quad   headers - tl_test_init, 0
        .long   0
        .short  64, 56, 1, 0, 0, 0
headers:
        .long   1, 7                    # PT_LOAD, RWX
        .quad   0, BASE, BASE, tl_test_init_end - tl_test_init, 0x20000, 0x1000

start:
        mov     eax, 1                  # write
        mov     edi, 1
        lea     rsi, [rip + text]
        mov     edx, text_end - text
        syscall
        mov     al, [rip + tl_test_init_command]
        cmp     al, 'p'
        je      power_off
        cmp     al, 'r'
        je      restart
        cmp     al, 'e'
        je      open_port
        cmp     al, 'c'
        je      open_port
        cmp     al, 'd'
        je      open_port
        cmp     al, 'n'
        je      number
sleep:  mov     eax, 34                 # pause
        syscall
        jmp     sleep

power_off:
        mov     edx, 0x4321fedc
        jmp     reboot
restart:
        mov     edx, 0x01234567
reboot: mov     eax, 169
        mov     edi, 0xfee1dead
        mov     esi, 672274793
        syscall
        jmp     sleep

open_port:
        mov     eax, 165                # mount devtmpfs on /dev
        lea     rdi, [rip + devtmpfs]
        lea     rsi, [rip + dev]
        lea     rdx, [rip + devtmpfs]
        xor     r10d, r10d
        xor     r8d, r8d
        syscall
        mov     al, [rip + tl_test_init_command]
        cmp     al, 'd'
        je      disk
        mov     eax, 2                  # open
        lea     rdi, [rip + port]
        mov     esi, 2
        xor     edx, edx
        syscall
        mov     r12, rax
        test    rax, rax
        js      sleep
        mov     al, [rip + tl_test_init_command]
        cmp     al, 'c'
        je      count
3:      xor     eax, eax                # echo: read
        mov     rdi, r12
        mov     esi, BASE + 0x10000
        mov     edx, 4096
        syscall
        test    rax, rax
        jle     3b
        mov     rbx, rax
        mov     esi, BASE + 0x10000
4:      mov     eax, 1                  # write
        mov     rdi, r12
        mov     rdx, rbx
        syscall
        test    rax, rax
        jle     sleep
        add     rsi, rax
        sub     rbx, rax
        jnz     4b
        jmp     3b

count:  xor     r13d, r13d
5:      xor     eax, eax                # read a byte
        mov     rdi, r12
        mov     esi, BASE + 0x10000
        mov     edx, 1
        syscall
        mov     r14, rax
        mov     eax, 35                 # nanosleep
        lea     rdi, [rip + millisecond]
        xor     esi, esi
        syscall
        cmp     r14, 1
        jne     5b
        inc     r13
        mov     esi, BASE + 0x10000
        mov     [rsi], r13
        mov     eax, 228                # clock_gettime(CLOCK_MONOTONIC)
        mov     edi, 1
        mov     esi, BASE + 0x10008
        syscall
        mov     eax, 1                  # write
        mov     rdi, r12
        mov     esi, BASE + 0x10000
        mov     edx, 24
        syscall
        jmp     5b

number: xor     r13d, r13d              # "n", eight digits and a line's end, again and again
7:      inc     r13
        mov     esi, BASE + 0x10000
        mov     byte ptr [rsi], 'n'
        mov     byte ptr [rsi + 9], 10
        mov     rax, r13
        mov     ecx, 8
        mov     ebx, 10
8:      xor     edx, edx
        div     rbx
        add     dl, '0'
        mov     [rsi + rcx], dl
        dec     ecx
        jnz     8b
        mov     eax, 1                  # write
        mov     edi, 1
        mov     edx, 10
        syscall
        cmp     rax, 10
        jne     fail
        mov     eax, 35                 # nanosleep
        lea     rdi, [rip + ten_milliseconds]
        xor     esi, esi
        syscall
        jmp     7b

disk:   mov     eax, 2                  # open, O_RDWR | O_DIRECT
        lea     rdi, [rip + vda]
        mov     esi, 0x4002
        xor     edx, edx
        syscall
        mov     r12, rax
        test    rax, rax
        js      fail
        xor     r13d, r13d
6:      inc     r13
        mov     esi, BASE + 0x11000
        mov     [rsi], r13
        mov     edx, 4096
        mov     r10, r13
        and     r10, 255
        shl     r10, 12
        mov     rdi, r12
        mov     eax, 18                 # pwrite64
        syscall
        cmp     rax, 4096
        jne     fail
        mov     esi, BASE + 0x12000
        mov     eax, 17                 # pread64
        syscall
        cmp     rax, 4096
        jne     fail
        cmp     [rsi], r13
        je      6b
fail:   mov     eax, 60                 # exit, which is the kernel's panic
        mov     edi, 1
        syscall

millisecond:
        .quad   0, 1000000
ten_milliseconds:
        .quad   0, 10000000
text:   .ascii  "TL-TEST-INIT\n"
text_end:
devtmpfs:
        .asciz  "devtmpfs"
dev:    .asciz  "/dev"
vda:    .asciz  "/dev/vda"
port:   .asciz  "/dev/vport0p1"
tl_test_init_command:
        .byte   's'
tl_test_init_end:
        .section .note.GNU-stack,"",@progbits
