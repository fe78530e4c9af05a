// SPDX-License-Identifier: Apache-2.0
// What a process image begins with: makes the system calls of a script (script.hpp), one after the other, and
// ends in the process that they have made. It lives on a page of its own, has no stack, and keeps what it knows
// in registers that system calls leave alone: r15 the next call, r14 where this process has its vDSO.
//
// Position-independent, and copied from here into the image.
    .section .rodata.tl_process_player, "a", @progbits
    .balign 64
    .global tl_process_player_begin
    .type tl_process_player_begin, @object
tl_process_player_begin:
    // r15: set by the image's own first instruction (process_image.cpp). The stack has argc, argv, the
    // environment, and then the auxiliary vector.
    mov     (%rsp), %rax
    lea     16(%rsp, %rax, 8), %rsi
1:  mov     (%rsi), %rax
    add     $8, %rsi
    test    %rax, %rax
    jnz     1b
2:  mov     (%rsi), %rax
    cmp     $33, %rax               // AT_SYSINFO_EHDR
    je      3f
    add     $16, %rsi
    test    %rax, %rax
    jnz     2b
    jmp     9f
3:  mov     8(%rsi), %r14

4:  mov     (%r15), %rbx            // ScriptCall: the number, and flags above it
    mov     8(%r15), %rdi
    mov     16(%r15), %rsi
    mov     24(%r15), %rdx
    mov     32(%r15), %r10
    mov     40(%r15), %r8
    mov     48(%r15), %r9
    bt      $35, %rbx               // kReturn
    jc      8f
    bt      $32, %rbx               // kFromVdso
    jnc     5f
    add     %r14, %rdi
    cmp     %rdi, %r8               // it is there already
    je      7f
5:  mov     %ebx, %eax
    syscall
    bt      $34, %rbx               // kThread: the new one's stack pointer is its script
    jnc     6f
    test    %rax, %rax
    cmovz   %rsp, %r15
    jz      4b
6:  bt      $33, %rbx               // kStore
    jnc     61f
    mov     %eax, (%r9)
61: mov     56(%r15), %rcx
    cmp     %rcx, %rax
    je      7f
    bt      $36, %rbx               // kAnyResult
    jnc     9f
7:  add     $64, %r15
    jmp     4b

8:  mov     %rdi, %rsp              // a signal's frame: all registers at once
    mov     $15, %eax               // rt_sigreturn
    syscall

9:  mov     $125, %edi
    mov     $231, %eax              // exit_group
    syscall
    hlt
    .global tl_process_player_end
tl_process_player_end:
    .size tl_process_player_begin, tl_process_player_end - tl_process_player_begin
    .section .note.GNU-stack, "", @progbits
