# HTIF: prints through device 1, then ends with 5 through device 0.
    .option norvc
    .text
    .globl main
main:
    la a0, text
    la a1, tohost
    li a3, 0x0101000000000000
1:  lbu a2, 0(a0)
    beqz a2, 3f
    or a2, a2, a3
    sd a2, 0(a1)
2:  ld a2, 0(a1)
    bnez a2, 2b
    addi a0, a0, 1
    j 1b
3:  li a2, 5 << 1 | 1
    sw a2, 0(a1)
    sw zero, 4(a1)
4:  j 4b
    .section .rodata
text:
    .asciz "tohost: hello\n"
    .section .tohost, "aw", @progbits
    .balign 64
    .globl tohost
tohost:
    .dword 0
    .balign 64
    .globl fromhost
fromhost:
    .dword 0
