# The image begins with a jump; the second word tells the kernel where the pages of variables begin.
    .section .text.start, "ax"
    .globl start
start:
    j 1f
    .balign 8
    .dword writable_from
1:  call user_main
    # a0: what the program returned. This is CALL_EXIT.
    li a7, 1
    ecall
